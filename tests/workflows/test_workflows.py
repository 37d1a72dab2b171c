"""P2, CI/CD reliability: production gets only what was tested, ran in staging, and was approved.

The workflows are read as data. actionlint and zizmor read them in scripts/lint, and
tests/workflows/test_act.py runs them.
"""

import copy
import re
from collections.abc import Iterator
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.images import NODES
from devcluster.versions import GO
from tests.support import nightly
from tests.support.workflows import (
    ACTIONS,
    DEPLOY_ACTION,
    FOLDER,
    ROOT,
    Workflow,
    actions,
    called,
    deploys,
    load,
    steps,
    strings,
    succeeding,
)

pytestmark = pytest.mark.golden

WORKFLOWS = load()
DELIVERY = WORKFLOWS["delivery"]
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow.jobs]
TEXTS = [file.read_text() for file in (*FOLDER.iterdir(), *ACTIONS.glob("*/action.yaml"))]
GATES = frozenset(
    {"test", "build-amd64", "build-arm64", "publish", "attest", "scan", "rules", "staging"}
)
ON_MAIN = "github.ref == 'refs/heads/main'"
ON_VERSION = "startsWith(github.ref, 'refs/tags/v')"
# What may be written, by workflow and job. All others read only.
WRITES = {
    ("build", "build"): {"packages"},
    ("delivery", "build-amd64"): {"packages"},
    ("delivery", "build-arm64"): {"packages"},
    ("delivery", "publish"): {"packages", "id-token"},
    ("delivery", "attest"): {"packages", "id-token", "attestations"},
    ("release", "release"): {"contents", "packages"},
}


def subsets(names: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """Yield every combination of names."""
    ordered = sorted(names)
    return chain.from_iterable(combinations(ordered, size) for size in range(len(ordered) + 1))


def all_steps() -> Iterator[dict[str, Any]]:
    """Yield the steps of all jobs and of this repository's own actions."""
    for workflow in WORKFLOWS.values():
        for job in workflow.jobs.values():
            yield from steps(job)
    for action in actions().values():
        yield from action["runs"]["steps"]


# The way to production


def holes(workflow: Workflow) -> list[tuple[str, ...]]:
    """Return the combinations of failed jobs after which production is deployed to nevertheless."""
    return [
        failing
        for failing in subsets(GATES)
        if failing and "production" in succeeding(workflow, failing)
    ]


def test_no_failure_leads_to_production() -> None:
    """P2, CI/CD reliability: whichever jobs fail, production runs only if none of them did."""
    assert "production" in succeeding(DELIVERY, ())
    assert frozenset(DELIVERY.jobs) == GATES | {"production"}
    assert holes(DELIVERY) == []


@pytest.mark.parametrize("gate", ["rules", "staging"])
def test_a_removed_gate_is_found(gate: str) -> None:
    """The other gates are needed twice; without these two, `holes` must not be empty."""
    content = copy.deepcopy(dict(DELIVERY.content))
    content["jobs"]["production"]["needs"].remove(gate)
    assert (gate,) in holes(Workflow("broken", content))


def test_no_job_or_step_goes_on_after_a_failure() -> None:
    """`if: always()` on a job would also run it after its gates have failed."""
    for name, job_name in JOBS:
        job = WORKFLOWS[name].jobs[job_name]
        # Without a function of its own, GitHub adds success() to a condition.
        assert job.get("if", ON_MAIN) in {ON_MAIN, ON_VERSION}, f"{name}/{job_name}"
        assert "continue-on-error" not in job, f"{name}/{job_name}"
    for step in all_steps():
        assert "continue-on-error" not in step, step
        upload = step.get("uses", "").startswith("actions/upload-artifact@")
        assert "if" not in step or (upload and step["if"] == "always()"), step


def test_only_deliveries_of_main_reach_a_cluster() -> None:
    reaching = {(name, job) for name, job in JOBS if deploys(WORKFLOWS[name].jobs[job])}
    assert reaching == {("delivery", "staging"), ("delivery", "production")}
    assert DELIVERY.triggers == {"push": {"branches": ["main"]}}
    for name, job in reaching:
        assert WORKFLOWS[name].jobs[job]["environment"] == job, "its rules, and its secrets alone"
        assert WORKFLOWS[name].jobs[job]["if"] == ON_MAIN, "whatever event is added one day"
    assert WORKFLOWS["release"].jobs["release"]["if"] == ON_VERSION


def test_production_gets_what_staging_got() -> None:
    """P2, CI/CD reliability: what deploys was built once, from the commit that was tested."""
    deployments = {}
    for job in ("staging", "production"):
        checkout, deploy = steps(DELIVERY.jobs[job])
        assert checkout["uses"].startswith("actions/checkout@")
        assert deploy["uses"] == DEPLOY_ACTION
        deployments[job] = deploy["with"]
    assert deployments["staging"] == deployments["production"]
    given = deployments["production"]["images"]
    assert given == "${{ needs.publish.outputs.images }}"
    made = DELIVERY.jobs["publish"]["outputs"]["images"]
    assert made == "${{ steps.index.outputs.images }}"
    for job in ("attest", "scan"):
        matrix = DELIVERY.jobs[job]["strategy"]["matrix"]
        assert matrix == {"image": "${{ fromJSON(needs.publish.outputs.images) }}"}
    publish = {step["id"]: step for step in steps(DELIVERY.jobs["publish"]) if "id" in step}
    for platform in ("amd64", "arm64"):
        digests = f"${{{{ needs.build-{platform}.outputs.digests }}}}"
        assert publish["index"]["env"][platform.upper()] == digests
        built = DELIVERY.jobs[f"build-{platform}"]
        assert built["uses"] == "./.github/workflows/build.yaml"
        assert built["with"]["platform"] == f"linux/{platform}"


def test_every_job_takes_the_commit_of_its_run() -> None:
    for step in all_steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"].keys() <= {"persist-credentials", "fetch-depth"}
            assert step["with"]["persist-credentials"] is False
        if "with" in step:
            assert "artifact-ids" not in step["with"], "artifacts share one space with forks"


def test_images_are_verified_before_they_are_used() -> None:
    """By the signature of the delivery of main, and of no other workflow or branch."""
    identity = (
        "${{ github.server_url }}/${{ github.repository }}/.github/workflows/delivery.yaml"
        "@refs/heads/main"
    )
    ran = [step["run"] for step in actions()["deploy"]["runs"]["steps"] if "run" in step]
    assert ran == ["make images-verify", "make deploy"]
    for job in ("staging", "production"):
        assert steps(DELIVERY.jobs[job])[-1]["with"]["identity"] == identity
    release = [step for step in steps(WORKFLOWS["release"].jobs["release"]) if "run" in step]
    assert [step["run"].removeprefix("make ") for step in release] == [
        "images-of-commit", "images-verify", "release-files", "release-publish",
    ]  # fmt: skip
    assert release[1]["env"]["IDENTITY"] == identity
    for step in release[1:]:
        assert step["env"]["IMAGES"] == "${{ steps.images.outputs.images }}"


# What strangers can reach


def from_strangers() -> list[Workflow]:
    """Return the workflows that a pull request of a fork runs."""
    begun = [w for w in WORKFLOWS.values() if "pull_request" in w.triggers]
    return [workflow for first in begun for workflow in called(first, WORKFLOWS)]


def test_a_pull_request_gets_no_secret_and_writes_nothing() -> None:
    """P2, CI/CD reliability: a fork's code runs in these jobs."""
    assert {workflow.name for workflow in from_strangers()} == {"ci", "test"}
    for workflow in from_strangers():
        for name, job in workflow.jobs.items():
            assert not [text for text in strings(job) if "secrets." in text or "token" in text], (
                name
            )
            assert "secrets" not in job
            assert "environment" not in job
            assert set(job["permissions"].values()) == {"read"}


def test_no_event_runs_a_strangers_code_with_our_rights() -> None:
    known = {"push", "pull_request", "schedule", "workflow_call", "workflow_dispatch"}
    for workflow in WORKFLOWS.values():
        assert workflow.triggers.keys() <= known, workflow.name


def test_each_job_may_do_what_it_must_and_no_more() -> None:
    for workflow in WORKFLOWS.values():
        assert workflow.content["permissions"] == {}
    writes = {
        (name, job): {what for what, how in permissions.items() if how == "write"}
        for name, job in JOBS
        if (permissions := WORKFLOWS[name].jobs[job]["permissions"])
    }
    assert {key: what for key, what in writes.items() if what} == WRITES


def test_what_is_delivered_is_built_without_caches() -> None:
    """A cache may have been written by an earlier run of anybody's code."""
    privileged = {(name, job) for name, job in JOBS if "environment" in WORKFLOWS[name].jobs[job]}
    for name, job in privileged | WRITES.keys():
        for step in steps(WORKFLOWS[name].jobs[job]):
            assert not step.get("uses", "").startswith("actions/cache@")
            assert step.get("with", {}).get("cache", False) is False, f"{name}/{job}"


# How they run


def test_every_command_is_a_make_target() -> None:
    """P2, CI/CD reliability: GitHub runs what people can run."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+(?: [a-z0-9-]+)*):", makefile, re.MULTILINE))
    known = {target for line in targets for target in line.split()}
    commands = [step["run"] for step in all_steps() if "run" in step]
    assert commands
    for command in commands:
        match = re.fullmatch(r"make ([a-z0-9-]+)", command)
        assert command == 'make "nightly-$PART"' or (match and match[1] in known), command


def test_ci_runs_what_ci_run_runs() -> None:
    """P2, CI/CD reliability: `.ci/run` and the workflow Test have the same commands."""
    jobs = WORKFLOWS["test"].jobs.values()
    commands = [step["run"] for job in jobs for step in steps(job) if "run" in step]
    local = re.findall(r"^stage (make \S+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert sorted(["make setup", *commands]) == sorted(local)


def test_every_action_is_pinned_and_its_version_told() -> None:
    """P2, CI/CD reliability: nobody else can change what a workflow runs."""
    uses = re.findall(r"^ +-? ?uses: (.*)$", "\n".join(TEXTS), re.MULTILINE)
    others = [item for item in uses if not item.startswith("./")]
    assert others
    for item in others:
        assert re.fullmatch(r"[a-z]+/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", item), item
    pins = {item.partition("@")[::2] for item in others}
    assert len(pins) == len({name for name, _ in pins}), "the same action is the same everywhere"


def test_dependabot_looks_at_all_of_them() -> None:
    (entry,) = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    assert entry["directories"] == ["/", "/.github/actions/*"]
    assert {file.parent.parent for file in ACTIONS.glob("**/action.yaml")} == {ACTIONS}


@pytest.mark.parametrize(("name", "job"), JOBS, ids=[f"{name}-{job}" for name, job in JOBS])
def test_every_job_ends(name: str, job: str) -> None:
    content = WORKFLOWS[name].jobs[job]
    assert "uses" in content or content["timeout-minutes"] <= 60


def test_only_runs_of_pull_requests_are_canceled() -> None:
    """A called workflow has no group of its own: it would cancel its caller."""
    for workflow in WORKFLOWS.values():
        group = workflow.content.get("concurrency")
        assert (group is None) == ("workflow_call" in workflow.triggers), workflow.name
        assert not [job for job in workflow.jobs.values() if "concurrency" in job]
        if group:
            assert group["cancel-in-progress"] is ("pull_request" in workflow.triggers)
    assert DELIVERY.content["concurrency"]["group"] == "delivery"


def test_every_part_is_run_at_night() -> None:
    (job,) = WORKFLOWS["nightly"].jobs.values()
    assert set(job["strategy"]["matrix"]["part"]) == set(nightly.parts(Path()))


def test_ci_takes_every_python_that_is_supported_and_the_go_that_is_needed() -> None:
    """P2, CI/CD reliability: every supported version is tested, and only those."""
    for part in ("api", "operator", "kubectl-bookstore", "backup", "devcluster"):
        text = (ROOT / part / "pyproject.toml").read_text()
        assert 'requires-python = ">=3.11,<3.14"' in text
    matrix = WORKFLOWS["test"].jobs["test"]["strategy"]["matrix"]
    assert matrix["python"] == list(nightly.PYTHONS) == ["3.11", "3.12", "3.13"]


def test_each_kubernetes_that_can_be_pulled_is_tested() -> None:
    job = WORKFLOWS["test"].jobs["e2e"]
    assert sorted(job["strategy"]["matrix"]["kubernetes"]) == sorted(NODES)
    (run,) = [step for step in job["steps"] if step.get("run") == "make e2e"]
    assert run["env"]["DEVCLUSTER_KUBERNETES"] == "${{ matrix.kubernetes }}"
    assert run["env"]["DEVCLUSTER_ENGINE"] == "docker", "the private one has one version"
    assert set(re.findall(r'go-version: "([^"]+)"', "\n".join(TEXTS))) == {GO}
