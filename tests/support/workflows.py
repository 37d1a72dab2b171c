"""The workflows of .github as data: what triggers them, which job needs which, what each may do."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
ACTIONS = ROOT / ".github" / "actions"
DEPLOY_ACTION = "./.github/actions/deploy"

Job = Mapping[str, Any]


@dataclass(frozen=True)
class Workflow:
    """A workflow file."""

    name: str
    content: Mapping[Any, Any]

    @property
    def triggers(self) -> dict[str, Any]:
        """What it runs on, with the details of each event. YAML 1.1 reads the key `on` as True."""
        on = self.content[True]
        return dict.fromkeys([on] if isinstance(on, str) else on) | (
            dict(on) if isinstance(on, dict) else {}
        )

    @property
    def jobs(self) -> Mapping[str, Job]:
        """Its jobs by name."""
        jobs: Mapping[str, Job] = self.content["jobs"]
        return jobs

    def needs(self, job: str) -> frozenset[str]:
        """The jobs that must have succeeded before this one begins."""
        listed = self.jobs[job].get("needs", ())
        return frozenset([listed] if isinstance(listed, str) else listed)


def load() -> dict[str, Workflow]:
    """Return all workflows by the name of their file."""
    files = sorted(FOLDER.iterdir())
    return {f.stem: Workflow(f.stem, yaml.safe_load(f.read_text())) for f in files}


def actions() -> dict[str, Any]:
    """Return this repository's own actions by the name of their folder."""
    return {f.parent.name: yaml.safe_load(f.read_text()) for f in ACTIONS.glob("*/action.yaml")}


def succeeding(workflow: Workflow, failing: Iterable[str]) -> frozenset[str]:
    """Return the jobs that run and succeed if these fail.

    As GitHub does it for jobs without `if`: a job runs once all that it needs have succeeded.
    """
    broken, done = frozenset(failing), frozenset[str]()
    while True:
        more = {job for job in workflow.jobs if job not in broken and workflow.needs(job) <= done}
        if more == done:
            return done
        done = frozenset(more)


def called(workflow: Workflow, known: Mapping[str, Workflow]) -> Iterator[Workflow]:
    """Yield a workflow and all that it calls."""
    yield workflow
    for job in workflow.jobs.values():
        if match := re.fullmatch(r"\./\.github/workflows/([\w-]+)\.yaml", job.get("uses", "")):
            yield from called(known[match[1]], known)


def steps(job: Job) -> list[dict[str, Any]]:
    """Return a job's steps; none for one that calls a workflow."""
    listed: list[dict[str, Any]] = job.get("steps", [])
    return listed


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def deploys(job: Job) -> bool:
    """Whether a job can reach a cluster."""
    texts = list(strings(job))
    return any("KUBECONFIG" in text or text in {"make deploy", DEPLOY_ACTION} for text in texts)
