"""The tutorial, typed by a shell from top to bottom."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from demo.kubectl import Kubectl
from tests.cluster.conftest import Shop, image

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/tutorial.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"# exit code (\d+)$", re.MULTILINE)
SECONDS = 60
IMAGES = {"V1": image("1"), "V2": image("2"), "BROKEN": image("3-job-fail")}


class Command(NamedTuple):
    """A command of the page; it may have several lines."""

    text: str
    code: int


def commands(page: Path) -> Iterator[Command]:
    """Return what a page tells its reader to type: from one prompt to the next."""
    for block in BLOCK.findall(page.read_text()):
        for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            expected = CODE.search(text)
            yield Command(text.rstrip(), int(expected[1]) if expected else 0)


def environment(kubectl: Kubectl, folder: Path) -> dict[str, str]:
    """Return the variables of a shell that finds kubectl and its plugin, in the namespace."""
    config = folder / "kubeconfig"
    config.write_text(Path(kubectl.environment["KUBECONFIG"]).read_text())
    path = f"{Path(sys.executable).parent}{os.pathsep}{kubectl.environment['PATH']}"
    variables = {**os.environ, "KUBECONFIG": str(config), "PATH": path}
    space = f"--namespace={kubectl.namespace}"
    choose = ["kubectl", "config", "set-context", "--current", space]
    subprocess.run(choose, env=variables, check=True, capture_output=True, timeout=30)
    return variables


def test_the_tutorial_can_be_typed(operated: Shop, tmp_path: Path) -> None:
    variables = {**environment(operated.kubectl, tmp_path), **IMAGES}
    seen = []
    for command in commands(PAGE):
        name, is_assignment, _ = command.text.partition("=")
        if is_assignment and name in IMAGES:
            continue  # the images of this test instead
        limited = ["timeout", f"{SECONDS}", "bash", "-c", command.text]
        done = subprocess.run(
            limited, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
        seen.append(f"$ {command.text}\n{done.stdout}{done.stderr}")
        assert done.returncode == command.code, "\n".join(seen)
    transcript = "\n".join(seen)
    for text in ("MigrationFailed", "RolledBack", "restored in"):
        assert text in transcript, transcript
    assert len(seen) > 30
