"""OpenTofu with the providers' real schemas, for the nightly tests."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devcluster import binaries
from tofu_schemas.mirror import write_mirror

INFRA = Path(__file__).parents[2] / "infra"
CLOUDS = ("aws", "google", "azure")
SIZES = ("small", "staging", "production")


class Tofu:
    """A copy of a cloud's configuration, with its own state."""

    def __init__(self, folder: Path, settings: Path) -> None:
        self.folder = folder
        self._program = binaries.ensure(["tofu"])["tofu"]
        self._environment = {
            **os.environ,
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
        }
        self("init", "-input=false")

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command and return what it prints; `code` is the exit code that it must have."""
        done = subprocess.run(
            [self._program, *arguments, *(["-no-color"] if arguments[0] != "fmt" else [])],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"tofu {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout + (done.stderr if code else "")

    def plan(self, size: str, *options: str, code: int = 0) -> dict[str, Any]:
        """Plan a size for the environment of the examples; return the plan."""
        self("plan", "-input=false", f"-out={size}.tfplan", *values(size), *options, code=code)
        plan: dict[str, Any] = json.loads(self("show", "-json", f"{size}.tfplan"))
        return plan


def values(size: str) -> tuple[str, str]:
    """Return the options with the values of an environment of a size."""
    return (
        f"-var-file={INFRA / 'examples/environment.tfvars'}",
        f"-var-file={INFRA / f'sizes/{size}.tfvars'}",
    )


@pytest.fixture(scope="session")
def provider_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a mirror of all providers; return the settings file."""
    folders = [INFRA / cloud for cloud in CLOUDS]
    return write_mirror(tmp_path_factory.mktemp("mirror"), folders)


@pytest.fixture(scope="session")
def tofu_of(
    provider_settings: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Tofu]:
    """Return a function that gives a fresh copy of a cloud's configuration."""

    def copy(cloud: str) -> Tofu:
        folder = tmp_path_factory.mktemp("infra") / cloud
        unwanted = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfplan")
        shutil.copytree(INFRA / cloud, folder, ignore=unwanted)
        return Tofu(folder, provider_settings)

    return copy
