"""The Docker engine that a kind cluster runs in: the machine's own, or a private one."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from devcluster import paths, progress, run
from devcluster.errors import CommandFailed, DevclusterError


class EngineChoice(StrEnum):
    """Which engine to use, as DEVCLUSTER_ENGINE or `--engine` has it."""

    AUTO = "auto"
    DOCKER = "docker"
    PRIVATE = "private"

    @classmethod
    def from_environment(cls) -> "EngineChoice":
        """Read DEVCLUSTER_ENGINE; `auto` where it is not set. Raises DevclusterError."""
        value = os.environ.get("DEVCLUSTER_ENGINE", "") or cls.AUTO.value
        try:
            return cls(value)
        except ValueError:
            raise DevclusterError(
                f"DEVCLUSTER_ENGINE is “{value}”.", "It can be auto, docker or private."
            ) from None


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers.

    `environment` is what its clients need; `path` holds the folders to come first on PATH.
    """

    docker: Path
    private: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    path: tuple[Path, ...] = ()

    def output(self, *arguments: str | os.PathLike[str], timeout: float = 60.0) -> str:
        """Run a short docker command and return what it prints. Raises CommandFailed."""
        return run.output([self.docker, *arguments], env=self.environment, timeout=timeout)

    def answers(self) -> bool:
        """Whether the engine answers."""
        with contextlib.suppress(CommandFailed):
            return bool(self.output("version", "--format", "{{.Server.Version}}", timeout=10))
        return False

    def has_image(self, name: str) -> bool:
        """Whether the engine has an image of this name, or of this name and digest."""
        with contextlib.suppress(CommandFailed):
            return bool(self.output("image", "inspect", "--format", "{{.Id}}", name))
        return False

    def pull(self, name: str) -> None:
        """Pull an image unless the engine has it. Raises CommandFailed."""
        if self.has_image(name):
            return
        with progress.step(f"Pulling {name}") as step:
            run.run(
                [self.docker, "pull", name],
                env=self.environment,
                on_line=step.update,
                timeout=1800,
                hint="Is an image registry within reach? "
                "DEVCLUSTER_ENGINE=private makes images here.",
            )


def machine_engine() -> Engine | None:
    """Return the machine's own engine if it answers; DOCKER_HOST and contexts are respected."""
    docker = run.which("docker")
    is_private = os.environ.get("DOCKER_HOST", "") == f"unix://{paths.engine_socket()}"
    if docker is None or is_private:
        return None
    engine = Engine(docker=docker, private=False)
    return engine if engine.answers() else None
