"""A development loop: watch the files, and bring what changes onto a cluster.

    loop = Loop(kindcluster.get(), Path.cwd(), "demo", "default")
    loop.run()  # until it is interrupted

What fails is said, and the loop goes on: the next change may be its correction.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from devcluster import progress, run
from devcluster.devloop import CODE, WATCHED, Copies, Part, difference, is_ignored, needs
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.images import Role
from devcluster.kindcluster import KindCluster

POLL_SECONDS = 0.5
_PODS_SECONDS = 5.0
"""How often it is looked for Pods that lack copied files."""
_RELEASE_SECONDS = 900
_OPERATOR = ("--namespace", "bookstore-system")
_DEPLOYMENT = "deployment/bookstore-operator"
FOLDER = "/tmp/bookstore-code"  # noqa: S108 - in the Pod: the stage dev of Dockerfile.api
_RECEIVE = f"""
import json, pathlib, sys
for name, text in json.load(sys.stdin).items():
    path = pathlib.Path("{FOLDER}") / name
    if text is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
"""


class Loop:
    """Brings changed files of a folder onto a cluster, for one BookStore."""

    def __init__(self, cluster: KindCluster, root: Path, store: str, namespace: str) -> None:
        self._cluster = cluster
        self._root = root
        self._kubectl = Client(cluster.environment(), store, namespace)
        self._environment = {**cluster.environment(), "DOCKER_BUILDKIT": "1"}
        self._copies = Copies()
        self._files = scan(root)
        self._looked_at = 0.0

    def run(self) -> None:
        """Build the API for development and release it, then follow changes without an end.

        Raises DevclusterError if there is nothing to develop here, or no such BookStore.
        """
        if not (self._root / "Dockerfile.api").is_file():
            raise DevclusterError(
                f"{self._root} is not this repository: it has no Dockerfile.api.",
                "Run devcluster dev in the repository's folder.",
            )
        self._kubectl.require_store()
        self._try(partial(self._deploy, Part.API))
        progress.say("Watching for changes. Ctrl-C ends.")
        while True:
            self.step()
            time.sleep(POLL_SECONDS)

    def step(self) -> None:
        """Carry out what has changed since the last step, and serve Pods that are new."""
        files = scan(self._root)
        wanted = needs(difference(self._files, files))
        self._files = files
        self._copies.add(wanted.copies)
        for part in wanted.builds:
            self._try(partial(self._deploy, part))
        is_due = time.monotonic() - self._looked_at > _PODS_SECONDS
        if wanted.copies or is_due:
            self._looked_at = time.monotonic()
            self._try(self._copy)

    def _try(self, act: Callable[[], None]) -> None:
        """Act; say what failed, and go on."""
        try:
            act()
        except CommandFailed as error:
            progress.warn(f"{error}\nChange a file to try again.")

    def _deploy(self, part: Part) -> None:
        image = self._build(part)
        self._cluster.load([image])
        title = {Part.API: f"Releasing {image}"}.get(part, f"Rolling out {image}")
        with progress.step(title, expected_seconds=30):
            self._kubectl.set_image(part, image)
        if part is Part.API:
            self._copies.forget()

    def _build(self, part: Part) -> str:
        """Build an image and return its name, which has its content: no change, no release."""
        arguments = [f"--file=Dockerfile.{part}", *_target(part), *_bases(part, self._environment)]
        with (
            progress.step(f"Building Dockerfile.{part}", expected_seconds=20) as step,
            tempfile.TemporaryDirectory() as folder,
        ):
            file = Path(folder) / "id"
            command = ["docker", "build", "--network=host", "--progress=plain", *arguments]
            run.run(
                [*command, f"--iidfile={file}", "."],
                cwd=self._root,
                env=self._environment,
                on_line=step.update,
            )
            identity = file.read_text().strip()
        image = f"localhost/bookstore-{part}:dev-{identity.removeprefix('sha256:')[:12]}"
        run.output(["docker", "tag", identity, image], env=self._environment)
        return image

    def _copy(self) -> None:
        """Copy changed files into each Pod that lacks them."""
        for pod, container in self._kubectl.containers().items():
            missing = self._copies.missing(container)
            if missing:
                self._kubectl.send(pod, contents(self._root, missing))
                self._copies.note(container)
                progress.say(f"{len(missing)} files copied into {pod}: {_some(missing)}")


class Client:
    """What the loop asks of the API server, by kubectl."""

    def __init__(self, environment: Mapping[str, str], store: str, namespace: str) -> None:
        self._environment = environment
        self._store = store
        self._namespace = ("--namespace", namespace)

    def require_store(self) -> None:
        """Raise DevclusterError if there is no such BookStore."""
        if not self._ask("get", "bookstore", self._store, "--ignore-not-found", "-o", "name"):
            raise DevclusterError(
                f"There is no BookStore {self._store} in namespace {self._namespace[1]}.",
                "Install the operator and create one, for example by: make demo",
            )

    def set_image(self, part: Part, image: str) -> None:
        """Let an image run, and wait until it does."""
        if part is Part.API:
            self.begin_release(image)
            path = f"jsonpath={{.status.active.image}}={image}"
            wait = ("wait", f"bookstore/{self._store}", f"--for={path}")
            self._ask(*wait, f"--timeout={_RELEASE_SECONDS}s", seconds=_RELEASE_SECONDS + 10)
            return
        if part is Part.OPERATOR:
            self._kubectl(*_OPERATOR, "set", "image", _DEPLOYMENT, f"operator={image}")
        else:
            variable = f"BOOKSTORE_OPERATOR_BACKUP_IMAGE={image}"
            self._kubectl(*_OPERATOR, "set", "env", _DEPLOYMENT, variable)
        rollout = ("rollout", "status", _DEPLOYMENT, "--timeout=180s")
        self._kubectl(*_OPERATOR, *rollout, seconds=190)

    def begin_release(self, image: str) -> None:
        """Set the image of the BookStore, which starts a release."""
        patch = json.dumps({"spec": {"image": image}})
        self._ask("patch", "bookstore", self._store, "--type=merge", "-p", patch)

    def containers(self) -> dict[str, str]:
        """Return the running Pods of the color that serves, with the ids of their containers."""
        selector = self._ask("get", "bookstore", self._store, "-o", "jsonpath={.status.selector}")
        if not selector:
            return {}
        pods = json.loads(self._ask("get", "pods", "-l", selector, "-o", "json"))["items"]
        return {
            pod["metadata"]["name"]: status["containerID"]
            for pod in pods
            for status in pod["status"].get("containerStatuses", ())
            if status["name"] == "api" and "running" in status.get("state", {})
            if status.get("containerID") and not pod["metadata"].get("deletionTimestamp")
        }

    def send(self, pod: str, files: Mapping[str, str | None]) -> None:
        """Write files into a Pod's copy of the code; None deletes one."""
        command = ("exec", "-i", pod, "-c", "api", "--", "python", "-c", _RECEIVE)
        self._ask(*command, given=json.dumps(files))

    def _ask(self, *arguments: str, given: str | None = None, seconds: float = 60) -> str:
        return self._kubectl(*self._namespace, *arguments, given=given, seconds=seconds)

    def _kubectl(self, *arguments: str, given: str | None = None, seconds: float = 60) -> str:
        command = ["kubectl", *arguments]
        return run.output(command, env=self._environment, input=given, timeout=seconds)


def scan(root: Path) -> dict[str, tuple[int, int]]:
    """Return the time and the size of each watched file, by its path in the repository."""
    files = [*root.glob("Dockerfile.*")]
    for folder in WATCHED:
        for parent, folders, names in os.walk(root / folder):
            folders[:] = [name for name in folders if not is_ignored(name)]
            files += [Path(parent) / name for name in names]
    found: dict[str, tuple[int, int]] = {}
    for file in files:
        path = file.relative_to(root).as_posix()
        try:
            status = file.stat()
        except FileNotFoundError:  # gone since it was listed
            continue
        if not is_ignored(path):
            found[path] = (status.st_mtime_ns, status.st_size)
    return found


def contents(root: Path, paths: Iterable[str]) -> dict[str, str | None]:
    """Return the texts of files by their paths in the Pods; None for those that are gone."""
    return {path.removeprefix(CODE): _text(root / path) for path in sorted(paths)}


def _text(file: Path) -> str | None:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return None


def _target(part: Part) -> list[str]:
    return ["--target=dev"] if part is Part.API else []


def _bases(part: Part, environment: Mapping[str, str]) -> list[str]:
    """Return the base images; that of backups has a default which fits the official ones."""
    bases = [f"--build-arg={Role.BASE}={environment[Role.BASE]}"]
    postgres = environment[Role.POSTGRES]
    if part is Part.BACKUP and postgres.startswith("localhost/"):
        bases.append(f"--build-arg={Role.POSTGRES}={postgres}")
    return bases


def _some(paths: Iterable[str]) -> str:
    names = sorted(path.rpartition("/")[2] for path in paths)
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
