"""`make deploy`: release images to an environment, test what serves, go back if that fails.

The operator does what is dangerous about a release; this waits for it. It can be repeated: what is
deployed already is only tested.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from delivery.images import (
    ROOT,
    ImageError,
    by_digest,
    digests_given,
    repository,
    variable,
    with_digests,
)
from delivery.smoke import PAUSE_SECONDS, REQUESTS, smoke_test
from devcluster import binaries
from devcluster.errors import DevclusterError
from devcluster.progress import say

CHART = ROOT / "charts" / "bookstore-operator"
RELEASE = "bookstore-operator"
RELEASE_SECONDS = 1800
OPERATOR_SECONDS = 300
KUBECTL_SECONDS = 120


class DeployError(Exception):
    """What is wrong, what serves now, and what to do."""


@dataclass(frozen=True)
class Target:
    """A BookStore in a cluster, and how to get there."""

    store: str
    namespace: str
    url: str
    kubectl: str = "kubectl"
    environment: dict[str, str] = field(default_factory=dict)
    requests: int = REQUESTS
    pause: float = PAUSE_SECONDS

    def run(self, *command: str, seconds: float) -> subprocess.CompletedProcess[str]:
        """Run a program against the cluster; its errors go to standard error."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            command,
            stdout=subprocess.PIPE,
            text=True,
            timeout=seconds,
            check=False,
            env=environment,
        )

    def plugin(self, *words: str) -> int:
        """Run the kubectl plugin and show its output; return its exit code."""
        program = (sys.executable, "-m", "kubectl_bookstore")
        limits = ("--wait", f"--timeout={RELEASE_SECONDS}", f"--namespace={self.namespace}")
        done = self.run(*program, *words, *limits, seconds=RELEASE_SECONDS + KUBECTL_SECONDS)
        say(done.stdout.rstrip())
        return done.returncode

    def read(self) -> dict[str, Any]:
        """Return the BookStore. Raises DeployError where there is none."""
        named = ("get", "bookstore", self.store, f"--namespace={self.namespace}", "--output=json")
        done = self.run(self.kubectl, *named, seconds=KUBECTL_SECONDS)
        if done.returncode != 0:
            raise DeployError(
                f"BookStore {self.namespace}/{self.store} can't be read: apply one first, and give "
                "the deployer the rights in docs/delivery.md."
            )
        manifest: dict[str, Any] = json.loads(done.stdout)
        return manifest

    def set_image(self, image: str) -> None:
        """Set spec.image, which starts a release if it is another one."""
        patch = json.dumps({"spec": {"image": image}})
        named = ("bookstore", self.store, f"--namespace={self.namespace}")
        change = ("--type=merge", f"--patch={patch}", "--field-manager=bookstore-delivery")
        done = self.run(self.kubectl, "patch", *named, *change, seconds=KUBECTL_SECONDS)
        if done.returncode != 0:
            raise DeployError(f"spec.image of BookStore {self.store} can't be set to {image}.")


def deploy_store(target: Target, image: str) -> None:
    """Release an image and test it; let what served before serve again if either fails."""
    before = target.read()
    serving = ((before.get("status") or {}).get("active") or {}).get("image", "")
    target.set_image(image)
    say(f"Releasing {image} (serving: {serving or 'nothing'})")
    if (code := target.plugin("status", target.store)) != 0:
        _undo_release(target, image, serving, code)
    if problem := smoke_test(target.url, target.requests, target.pause):
        _undo_switch(target, image, serving, problem)
    say(f"{image} serves, and {target.requests} requests were answered.")


def _undo_release(target: Target, image: str, serving: str, code: int) -> None:
    """Take back a release that has not come to serve."""
    failed = f"The release of {image} ended with code {code} (docs/reference/kubectl-bookstore.md)"
    if not serving or serving == image:
        raise DeployError(f"{failed}: fix the cause named above.")
    target.set_image(serving)
    again = target.plugin("status", target.store)
    raise DeployError(f"{failed}. {_outcome(again, serving)}")


def _undo_switch(target: Target, image: str, serving: str, problem: str) -> None:
    """Let the release before serve again, by one switch while its Pods are kept."""
    failed = f"{image} serves, but {problem}"
    if not serving or serving == image:
        raise DeployError(
            f"{failed}. This deployment has not changed it, so nothing was rolled back: "
            f"`kubectl bookstore rollback {target.store}` does that."
        )
    again = target.plugin("rollback", target.store)
    raise DeployError(f"{failed}. {_outcome(again, serving)}")


def _outcome(code: int, serving: str) -> str:
    if code == 0:
        return f"Rolled back: {serving} serves."
    return f"Going back to {serving} ended with code {code}: see `kubectl bookstore why`."


def upgrade_operator(
    target: Target,
    registry: str,
    digests: Mapping[str, str],
    namespace: str,
    seconds: float = OPERATOR_SECONDS,
) -> None:
    """Install or upgrade the operator and its CRDs; Helm goes back if its Pods don't start."""
    helm = binaries.ensure(["helm"])["helm"]
    with tempfile.TemporaryDirectory() as folder:
        values = Path(folder) / "values.yaml"
        values.write_text(yaml.safe_dump(image_values(registry, digests)))
        done = target.run(
            *(str(helm), "upgrade", RELEASE, str(CHART), "--install", f"--namespace={namespace}"),
            # What was set by hand stays, and new values get their defaults.
            *("--reset-then-reuse-values", f"--values={values}", "--create-namespace"),
            *("--rollback-on-failure", f"--timeout={seconds}s"),
            # Going back may take as long, and Helm itself has to start.
            seconds=3 * seconds + KUBECTL_SECONDS,
        )
    say(done.stdout.rstrip())
    if done.returncode != 0:
        raise DeployError("The operator could not be upgraded; BookStores go on serving.")


def image_values(registry: str, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return the chart's values that name images, for published ones."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())["settings"]
    settings = {name: with_digests(value, registry, digests) for name, value in defaults.items()}
    by_digest(registry, "operator", digests["operator"])
    image = {"repository": repository(registry, "operator"), "digest": digests["operator"]}
    changed = {name: value for name, value in settings.items() if value != defaults[name]}
    return {"image": image, "settings": changed}


@contextmanager
def kubeconfig() -> Iterator[dict[str, str]]:
    """Yield the variable with the kubeconfig: a file of KUBECONFIG_TEXT, or what is set already."""
    text = os.environ.get("KUBECONFIG_TEXT", "")
    if not text:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kubeconfig"
        file.touch(mode=0o600)
        file.write_text(text)
        yield {"KUBECONFIG": str(file)}


def main() -> int:
    """Deploy what the environment names; return the exit code."""
    try:
        registry, digests = variable("REGISTRY"), digests_given()
        with kubeconfig() as environment:
            store, there = variable("STORE"), variable("STORE_NAMESPACE")
            target = Target(store, there, variable("STORE_URL"), environment=environment)
            target.read()
            namespace = os.environ.get("OPERATOR_NAMESPACE") or "bookstore-system"
            upgrade_operator(target, registry, digests, namespace)
            deploy_store(target, by_digest(registry, "api", digests["api"]))
    except (DeployError, ImageError, DevclusterError) as error:
        say(f"{error}")
        return 1
    except subprocess.TimeoutExpired as error:
        say(f"{error.cmd[0]} has not ended within {error.timeout:.0f} s.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
