"""P2, CI/CD reliability: the workflows are run by act, and which of their jobs run is asserted.

act has no environments, rights, concurrency or filters of branches: test_workflows.py reads those.
Other people's actions and the make targets have stand-ins; actions/checkout is act's own.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devcluster import binaries
from devcluster.errors import DevclusterError
from tests.support.workflows import ACTIONS, FOLDER, ROOT, load, succeeding

pytestmark = [pytest.mark.golden, pytest.mark.nightly]

DELIVERY = load()["delivery"]
TESTS = {"lint", "test", "e2e"}  # the jobs of test.yaml, which `test` of delivery.yaml calls
BUILDS = {"build-amd64", "build-arm64"}  # these call the job `build` of build.yaml
MAIN = {"ref": "refs/heads/main"}
SECRETS = {"GITHUB_TOKEN": "token-of-the-test", "KUBECONFIG": "config-of-the-test"}
MAKEFILE = """\
LOG := {log}
FAILING := {failing}
%:
	@echo "$@ [$(STORE)] [$$IMAGES] [$(KUBECONFIG_TEXT)]" >> $(LOG)
	@test $@ != "$(FAILING)"
	@case $@ in \\
	images-push) echo "digests=of $$PLATFORM";; \\
	images-index) echo registry=it; echo "images=[{{\\"name\\": \\"$$AMD64, $$ARM64\\"}}]";; \\
	images-of-commit) echo 'images=[]';; \\
	esac >> "$$GITHUB_OUTPUT"
"""
STAND_IN = """\
name: Stand-in
description: Does nothing, or fails
runs:
  using: composite
  steps:
    - run: exit {code}
      shell: bash
"""


@dataclass(frozen=True)
class Run:
    """What ran: the results of each job, and the make targets in their order with arguments."""

    code: int
    results: Mapping[str, set[str]]
    targets: list[str]

    @property
    def succeeded(self) -> set[str]:
        """The jobs of which all runs of the matrix succeeded."""
        return {job for job, results in self.results.items() if results == {"success"}}

    def lines(self, target: str) -> list[str]:
        """Return the arguments of each run of a target."""
        return [line.removeprefix(target) for line in self.targets if line.split()[0] == target]


@dataclass(frozen=True)
class Checkout:
    """A repository with the workflows, in which act runs."""

    act: Path
    folder: Path

    def run(
        self, event: str, payload: Mapping[str, Any], workflow: str = "", failing: str = ""
    ) -> Run:
        """Run the workflows of an event, or one of them; a make target or an action fails."""
        repository = self._repository(failing)
        (self.folder / "event.json").write_text(json.dumps(payload))
        chosen = ["--workflows", f".github/workflows/{workflow}.yaml"] if workflow else []
        runners = ("ubuntu-24.04", "ubuntu-24.04-arm")
        done = subprocess.run(
            [
                *(str(self.act), event, "--json", "--no-cache-server", *chosen),
                *("--eventpath", str(self.folder / "event.json"), "--var", "STORE=shop"),
                *(word for name in runners for word in ("--platform", f"{name}=-self-hosted")),
                *(
                    word
                    for key, value in SECRETS.items()
                    for word in ("--secret", f"{key}={value}")
                ),
                *self._stand_ins(failing),
            ],
            cwd=repository,
            env={
                **{name: value for name, value in os.environ.items() if name != "MAKEFLAGS"},
                "HOME": str(self.folder),
                "XDG_CACHE_HOME": str(self.folder / "cache"),
            },
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        results: dict[str, set[str]] = {}
        for line in done.stdout.splitlines():
            if line.startswith("{") and "jobResult" in (event_of := json.loads(line)):
                results.setdefault(event_of["jobID"], set()).add(event_of["jobResult"])
        log = self.folder / "log"
        return Run(done.returncode, results, log.read_text().splitlines() if log.exists() else [])

    def _repository(self, failing: str) -> Path:
        """Make the repository anew, without what an earlier run has left."""
        repository = self.folder / "repository"
        shutil.rmtree(repository, ignore_errors=True)
        (self.folder / "log").unlink(missing_ok=True)
        shutil.copytree(ROOT / ".github", repository / ".github")
        makefile = MAKEFILE.format(log=self.folder / "log", failing=failing)
        (repository / "Makefile").write_text(makefile)
        author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*author, "commit", "-qm", "x")):
            subprocess.run(("git", *words), cwd=repository, check=True)
        return repository

    def _stand_ins(self, failing: str) -> list[str]:
        """Return the options that put something in the place of each action of others."""
        texts = [file.read_text() for file in (*FOLDER.iterdir(), *ACTIONS.glob("*/action.yaml"))]
        used = set(re.findall(r"uses: ([a-z]+/[a-z-]+@[0-9a-f]{40})", "".join(texts)))
        options = []
        for action in sorted(used):
            name = action.partition("@")[0]
            stand_in = self.folder / "actions" / name
            stand_in.mkdir(parents=True, exist_ok=True)
            (stand_in / "action.yaml").write_text(STAND_IN.format(code=int(name == failing)))
            if name != "actions/checkout":
                options += ["--local-repository", f"{action}={stand_in}"]
        return options


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a place in which act runs; skips where it can't be built."""
    try:
        return Checkout(binaries.ensure(["act"])["act"], tmp_path)
    except DevclusterError as error:
        pytest.skip(f"no act: {error}")


def test_a_push_to_main_deploys_the_same_images_twice(checkout: Checkout) -> None:
    run = checkout.run("push", MAIN, "delivery")
    assert run.code == 0
    assert run.succeeded == run.results.keys() == TESTS | {"build"} | DELIVERY.jobs.keys() - BUILDS
    deployments = run.lines("deploy")
    assert deployments == run.lines("deploy")[:1] * 2
    both = "of linux/amd64, of linux/arm64"
    assert deployments[0] == f' [shop] [[{{"name": "{both}"}}]] [config-of-the-test]'
    order = [line.split()[0] for line in run.targets]
    assert order[-4:] == ["images-verify", "deploy"] * 2
    assert max(map(order.index, TESTS)) < order.index("images-push") < order.index("images-sign")


@pytest.mark.parametrize(
    ("failing", "job"),
    [
        ("lint", "test"),
        ("test", "test"),
        ("e2e", "test"),
        ("images-push", "build-amd64"),
        ("images-index", "publish"),
        ("images-sign", "publish"),
        ("actions/attest-build-provenance", "attest"),
        ("anchore/scan-action", "scan"),
        ("environment-rules", "rules"),
        ("images-verify", "staging"),
        ("deploy", "staging"),
    ],
)
def test_after_a_failure_runs_what_needs_none_of_it(
    failing: str, job: str, checkout: Checkout
) -> None:
    """As tests/support/workflows.py says, with which test_workflows.py tries all combinations."""
    run = checkout.run("push", MAIN, "delivery", failing)
    assert run.code != 0
    # A job that calls a workflow is known to act by the jobs of that workflow.
    calling = BUILDS | {"test"}
    assert run.succeeded - TESTS - {"build"} == succeeding(DELIVERY, {job}) - calling
    assert "production" not in run.results
    assert len(run.lines("deploy")) == (failing in {"deploy", "environment-rules"})


def test_another_branch_deploys_nothing(checkout: Checkout) -> None:
    run = checkout.run("push", {"ref": "refs/heads/other"}, "delivery")
    assert run.succeeded == TESTS | {"rules"}
    assert not run.lines("images-push") + run.lines("deploy")


def test_a_pull_request_is_tested_without_secrets(checkout: Checkout) -> None:
    """Of all workflows, although act knows the secrets here."""
    head = {"ref": "change", "repo": {"fork": True}}
    run = checkout.run("pull_request", {"pull_request": {"head": head, "base": {"ref": "main"}}})
    assert run.code == 0
    assert run.results.keys() == TESTS
    assert {line.split()[0] for line in run.targets} == TESTS
    assert not [line for line in run.targets if "of-the-test" in line]


def test_a_version_is_published_after_its_images_are_verified(checkout: Checkout) -> None:
    tag = {"ref": "refs/tags/v1.2.3"}
    run = checkout.run("push", tag, "release")
    assert run.results == {"release": {"success"}}
    assert [line.split()[0] for line in run.targets] == [
        "images-of-commit", "images-verify", "release-files", "release-publish",
    ]  # fmt: skip
    broken = checkout.run("push", tag, "release", "images-verify")
    assert broken.results == {"release": {"failure"}}
    assert not broken.lines("release-files")
