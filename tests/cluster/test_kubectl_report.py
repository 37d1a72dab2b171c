"""`kubectl bookstore report` on a real API server, with canaries in all that it reads."""

import tarfile
from pathlib import Path
from typing import Any

import pytest

from kubectl_bookstore.errors import ExitCode
from tests.cluster.conftest import Shop
from tests.cluster.plugin import Answer, run

pytestmark = pytest.mark.cluster

CANARY = "cAnArY-0815-x"
SPEC: dict[str, Any] = {
    "replicas": 1,
    "database": {"external": {"secretName": "shop-db"}},
    "env": [{"name": "GREETING", "value": f"hello {CANARY}"}],
    "podMetadata": {"annotations": {"example.com/note": f"token={CANARY}"}},
}


def files_in(path: Path) -> dict[str, str]:
    """Return the texts of an archive by path, without its folder."""
    with tarfile.open(path) as tar:
        found = {}
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            found[member.name.partition("/")[2]] = content.read().decode()
        return found


def report(shop: Shop, path: Path, *more: str) -> Answer:
    return run(shop, "report", "demo", f"--file={path}", *more)


def test_a_report_has_what_belongs_to_a_bookstore_and_no_secret(
    operated: Shop, tmp_path: Path
) -> None:
    operated.provide("shop-db", uri=f"postgresql://shop:{CANARY}@db.example/shop")
    operated.provide("unrelated", uri="postgresql://shop:another@db.example/shop")
    operated.apply(**SPEC)
    operated.ready()
    path = tmp_path / "report.tar.gz"
    made = report(operated, path)
    assert made.code == ExitCode.DONE, made
    files = files_in(path)
    assert "cAnArY" not in "\n".join(files.values())
    kinds = {name.split("/")[1] for name in files if name.startswith("objects/")}
    assert {"BookStoreRelease", "Deployment", "Job", "Pod", "Service", "Secret"} <= kinds
    assert "objects/Secret/shop-db.yaml" in files
    assert "objects/Secret/unrelated.yaml" not in files
    assert "StageExpand" in files["events.yaml"]
    assert "nothing blocks it" in files["why.txt"]
    assert "GREETING" in files["bookstore.yaml"]
    assert "the log of demo-" in files["README.txt"], "simulated Pods have no logs"
    assert report(operated, path).code == ExitCode.USAGE, "it overwrites nothing"


def test_a_report_of_what_one_may_not_read_says_so(shop: Shop, tmp_path: Path) -> None:
    shop.apply(**SPEC)
    shop.kubectl("create", "rolebinding", "viewers", "--clusterrole=bookstore-viewer", "--user=eve")
    path = tmp_path / "report.tar.gz"
    made = report(shop, path, "--as=eve")
    assert made.code == ExitCode.DONE, made
    files = files_in(path)
    assert "cAnArY" not in "\n".join(files.values())
    for text in ("Secrets, whose values are masked by their form only", "events", "pods"):
        assert text in files["README.txt"], text
    assert run(shop, "report", "other", f"--file={tmp_path}/x").code == ExitCode.NOT_FOUND
    assert not (tmp_path / "x").exists()
