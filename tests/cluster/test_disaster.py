"""Every command of the disaster runbook, in its order, on a real API server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.kubectl import Kubectl
from tests.cluster.conftest import QUICK, REPORT_SECONDS, Shop
from tests.support.kube import wait_for

# In CI the objects, the patches and the plugin's commands of all pages are checked: tests/docs.
pytestmark = [pytest.mark.cluster, pytest.mark.nightly, pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "disaster.md"
PART = re.compile(r"^```(sh|ya?ml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"\s+# code (\d+)$")
PROGRAMS = Path(sys.executable).parent


def sections() -> dict[str, str]:
    """Return the text of each section by its title."""
    _, *parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    return dict(part.split("\n", maxsplit=1) for part in parts)


def steps(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield the commands and the manifests of a section, with the exit codes they end with."""
    for kind, block in PART.findall(text):
        if kind != "sh":
            yield "kubectl apply --filename=-", block, 0
            continue
        for line in block.splitlines():
            code = CODE.search(line)
            yield CODE.sub("", line), "", int(code[1]) if code else 0


def environment(shop: Shop, folder: Path) -> dict[str, str]:
    """Return the environment of a shell whose kubectl is in the namespace of the test."""
    config = folder / "kubeconfig"
    config.write_text(shop.cluster.plane.kubeconfig.read_text())
    path = os.pathsep.join((str(PROGRAMS), str(shop.cluster.plane.kubectl.parent), os.defpath))
    env = {"KUBECONFIG": str(config), "PATH": path, "HOME": str(folder)}
    Kubectl(env, shop.namespace)("config", "set-context", "--current")
    return env


def walk(title: str, env: dict[str, str]) -> None:
    """Run the commands of a section."""
    for command, given, code in steps(sections()[title]):
        ended = subprocess.run(
            ["bash", "-c", command],
            input=given,
            env=env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        said = f"{title}: {command}\n{ended.stdout}{ended.stderr}"
        assert ended.returncode == code, said


def test_every_command_of_the_runbook_works_in_its_order(operated: Shop, tmp_path: Path) -> None:
    shop, env = operated, environment(operated, tmp_path)
    backup = {"schedule": "0 3 1 1 *", "drill": {"schedule": "0 5 1 1 *"}}
    shop.apply(rollout=QUICK, backup=backup)
    shop.ready()
    walked = list(sections())
    assert walked == [
        *("What is lost, and how long it takes", "The database is lost"),
        *("Rows were deleted by mistake", "The bucket is lost", "The operator is gone"),
        *("The BookStore was deleted", "The whole cluster is lost"),
    ]
    for title in walked[:2]:
        walk(title, env)
    database = shop.require("bookstorereleases", "demo-r2")["status"]["database"]
    used = shop.require("v1/persistentvolumeclaims", "data-found-db-restored-0")
    assert database == used["metadata"]["uid"]
    walk("Rows were deleted by mistake", env)
    wait_for(lambda: shop.get("bookstorerestores", "before") is None, REPORT_SECONDS, "it to go")
    walk("The bucket is lost", env)
    walk("The operator is gone", env)
    shop.kubectl("delete", "bookstore", "demo", "--cascade=foreground")
    walk("The BookStore was deleted", env)
    walk("The whole cluster is lost", env)
    assert shop.require("bookstores", "again")["status"]["active"]["release"] == "again-r1"
