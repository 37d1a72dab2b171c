"""The development loop: what a change needs, what is watched, which Pods get which files."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import cli, kindcluster
from devcluster.dev import FOLDER, Client, Loop, contents, scan
from devcluster.devloop import Copies, Needs, Part, difference, is_copied, needs
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.kindcluster import KindCluster, Record
from tests.devcluster.support import write_program

pytestmark = pytest.mark.devcluster

ROOT = Path(__file__).parents[2]
CATALOG = "api/bookstore_api/shop/catalog/routes.py"
MIGRATION = "api/bookstore_api/db/migrations/expand/0009_more.py"


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ([CATALOG], Needs(frozenset({CATALOG}))),
        ([MIGRATION], Needs(builds=(Part.API,))),
        ([CATALOG, MIGRATION], Needs(builds=(Part.API,))),
        (["api/pyproject.toml"], Needs(builds=(Part.API,))),
        (["requirements/api.txt"], Needs(builds=(Part.API,))),
        (["requirements/dev.txt"], Needs()),
        (["requirements/build.txt", "scripts/runtime-root"], Needs(builds=tuple(Part))),
        (["Dockerfile.operator"], Needs(builds=(Part.OPERATOR,))),
        (["operator/bookstore_operator/decide.py"], Needs(builds=(Part.OPERATOR,))),
        ([CATALOG, "backup/bookstore_backup/app.py"], Needs(frozenset({CATALOG}), (Part.BACKUP,))),
        (["api/bookstore_api/__pycache__/app.cpython-311.pyc", f"{CATALOG}~"], Needs()),
        (["api/bookstore_api/shop/.routes.py.swp", "scripts/lint"], Needs()),
    ],
)
def test_what_a_change_needs(changed: list[str], wanted: Needs) -> None:
    assert needs(changed) == wanted


def test_the_same_files_are_copied_as_by_skaffold() -> None:
    configs = list(yaml.safe_load_all((ROOT / "skaffold.yaml").read_text()))
    patches: list[dict[str, Any]] = configs[-1]["profiles"][0]["patches"]
    (rules,) = [patch["value"]["manual"] for patch in patches if patch["path"].endswith("/sync")]
    by_skaffold = {file for rule in rules for file in ROOT.glob(rule["src"])}
    package = ROOT / "api/bookstore_api"
    ours = {f for f in package.rglob("*.*") if is_copied(f.relative_to(ROOT).as_posix())}
    assert ours == by_skaffold
    assert {rule["dest"] for rule in rules} == {FOLDER}


def test_every_dockerfile_is_of_a_part() -> None:
    assert {path.suffix[1:] for path in ROOT.glob("Dockerfile.*")} == set(Part)


def test_what_images_are_built_from_is_watched() -> None:
    watched = {path.partition("/")[0] for path in scan(ROOT)}
    for part in Part:
        text = (ROOT / f"Dockerfile.{part}").read_text()
        sources = re.findall(r"^COPY (?!--from)(\S+) |source=([a-z]\S*?),", text, re.MULTILINE)
        folders = {(copied or mounted).partition("/")[0] for copied, mounted in sources}
        assert folders <= watched, part


def test_changes_are_seen_whatever_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "api/bookstore_api"
    folder.mkdir(parents=True)
    changed, gone = folder / "app.py", folder / "gone.py"
    changed.write_text("1")
    gone.write_text("1")
    os.utime(changed, ns=(1, 1))
    before = scan(tmp_path)
    changed.write_text("2")
    gone.unlink()
    (folder / "new.py").write_text("1")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/app.pyc").write_text("1")
    paths = difference(before, scan(tmp_path))
    assert paths == {f"api/bookstore_api/{name}.py" for name in ("app", "gone", "new")}
    assert contents(tmp_path, paths) == {
        "bookstore_api/app.py": "2",
        "bookstore_api/gone.py": None,
        "bookstore_api/new.py": "1",
    }


def test_each_container_gets_each_change_once() -> None:
    copies = Copies()
    copies.add(["a", "b"])
    assert copies.missing("one") == {"a", "b"}
    copies.note("one")
    assert copies.missing("one") == set()
    copies.add(["b"])
    assert copies.missing("one") == {"b"}
    assert copies.missing("another") == {"a", "b"}, "one that was restarted has the image's files"
    copies.forget()
    assert copies.missing("another") == set(), "a new image has them"


KUBECTL = """#!/bin/sh
cd "$STAND_IN" && echo "$*" >> calls
case "$*" in
  *"get bookstore demo --ignore-not-found"*) cat store ;;
  *"get bookstore"*) echo app=api ;;
  *"get pods"*) cat pods.json ;;
  *"exec -i"*) [ ! -e broken ] || { echo "no such container" >&2; exit 1; }; cat >> sent ;;
esac
"""
POD = """{"items": [{"metadata": {"name": "demo-blue-1"}, "status": {"containerStatuses": [
  {"name": "api", "containerID": "containerd://1", "state": {"running": {}}}]}},
 {"metadata": {"name": "demo-blue-2", "deletionTimestamp": "now"}, "status": {}}]}"""


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    """Return a loop on a machine whose kubectl only records what it is asked."""
    write_program(tmp_path / "bin/kubectl", KUBECTL)
    (tmp_path / "api/bookstore_api").mkdir(parents=True)
    (tmp_path / "pods.json").write_text(POD)
    (tmp_path / "store").touch()
    variables = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "STAND_IN": str(tmp_path)}
    monkeypatch.setattr(KindCluster, "environment", lambda _: variables)
    monkeypatch.setattr("devcluster.dev._PODS_SECONDS", -1.0)
    record = Record(private=False, pulls=True, image="", port=1, ready=True)
    return Loop(KindCluster("mine", record), tmp_path, "demo", "shop")


def test_a_changed_file_is_sent_to_the_pods_that_run_and_again_after_a_failure(
    loop: Loop, tmp_path: Path
) -> None:
    (tmp_path / "broken").touch()
    (tmp_path / "api/bookstore_api/app.py").write_text("one = 1")
    loop.step()
    assert not (tmp_path / "sent").exists()
    (tmp_path / "broken").unlink()
    loop.step()
    loop.step()
    assert (tmp_path / "sent").read_text() == '{"bookstore_api/app.py": "one = 1"}'
    sends = [line for line in (tmp_path / "calls").read_text().splitlines() if "exec -i" in line]
    assert len(sends) == 2
    assert all("demo-blue-1 -c api" in line for line in sends), "the other one is ending"


def test_ctrl_c_ends_the_loop_without_an_error(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: Loop) -> None:
        raise cli.Interrupted(signal.SIGINT)

    monkeypatch.setattr(Loop, "run", interrupt)
    monkeypatch.setattr(kindcluster, "get", lambda _: loop._cluster)
    cli.develop("mine", "demo", "shop")
    assert "keeps the image that it has" in capsys.readouterr().err


def test_a_loop_without_a_bookstore_or_a_repository_says_what_to_do(
    loop: Loop, tmp_path: Path
) -> None:
    with pytest.raises(DevclusterError, match=r"has no Dockerfile\.api"):
        loop.run()
    (tmp_path / "Dockerfile.api").touch()
    with pytest.raises(DevclusterError, match="no BookStore demo in namespace shop"):
        loop.run()


def test_what_a_pod_receives_is_what_was_sent(tmp_path: Path) -> None:
    """The program that runs in the Pod, run here by this Python."""
    folder = tmp_path / "code"
    program = tmp_path / "bin/kubectl"
    write_program(
        program,
        '#!/bin/sh\nfor code; do :; done\nexec python3 -c "$(echo "$code" | '
        f"sed 's:{FOLDER}:{folder}:')\"\n",
    )
    client = Client({"PATH": f"{program.parent}:{os.environ['PATH']}"}, "demo", "shop")
    (folder / "a").mkdir(parents=True)
    (folder / "a/gone.py").touch()
    client.send("pod", {"a/b/new.py": "é = 1\n", "a/gone.py": None, "never.py": None})
    assert (folder / "a/b/new.py").read_text("utf-8") == "é = 1\n"
    assert not (folder / "a/gone.py").exists()


def test_a_failing_kubectl_is_an_error(tmp_path: Path) -> None:
    write_program(tmp_path / "bin/kubectl", "#!/bin/sh\nexit 1\n")
    client = Client({"PATH": f"{tmp_path / 'bin'}:/bin"}, "demo", "shop")
    with pytest.raises(CommandFailed):
        client.containers()
