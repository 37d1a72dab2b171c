"""Ends in the middle, two at once, full disks, what is missing: a clear message, or it just works.

Real processes, signals and disks; what needs an engine is in test_kind.py.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import controlplane, disk, doctor, download, offline, paths, processes, run
from devcluster.doctor import Check, Outcome
from devcluster.offline import requirements
from devcluster.releases import Release
from tests.devcluster.support import (
    UP_LOOPBACK,
    QuietHandler,
    devcluster,
    execute,
    needs_go,
    needs_programs,
    python,
    start,
    until,
    waiting,
    web_server,
    write_program,
)

pytestmark = pytest.mark.devcluster

NOBODY = 65534
# Tests may run in the background, where a shell has children ignore Ctrl-C.
USUAL_SIGNALS = ("env", "--default-signal=INT,HUP,TERM")


# In the middle


def _up(name: str) -> list[str]:
    return devcluster("up", "--control-plane", "--name", name)


def _has_processes(name: str, count: int) -> bool:
    plane = controlplane.find(name)
    return plane is not None and len(plane.processes) >= count


@needs_programs
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_end_by_signal_leaves_nothing_and_prints_no_traceback(number: signal.Signals) -> None:
    with start([*USUAL_SIGNALS, *_up("ended")]) as up:
        until(lambda: _has_processes("ended", 2))
        plane = controlplane.find("ended")
        up.send_signal(number)
        shown, _ = up.communicate(timeout=60)
    assert up.returncode == 128 + number
    assert "Interrupted." in shown
    assert "Traceback" not in shown
    assert plane is not None
    assert not any(process.alive for process in plane.processes)
    assert list(paths.clusters().iterdir()) == []


@needs_programs
def test_after_a_kill_in_the_middle_the_next_up_works() -> None:
    with start([*USUAL_SIGNALS, *_up("killed")]) as up:
        until(lambda: _has_processes("killed", 2))
        before = controlplane.find("killed")
        up.kill()
    assert before is not None
    assert any(process.alive for process in before.processes)

    code, shown = execute(_up("killed"))

    assert code == 0, shown
    assert not any(process.alive for process in before.processes)
    now = controlplane.find("killed")
    assert now is not None
    assert len(processes.working_in(now.folder, paths.binaries())) == len(now.processes)


@needs_programs
def test_two_at_once_of_the_same_name_are_one_cluster() -> None:
    both = [start(_up("same")) for _ in range(2)]
    shown = [up.communicate(timeout=120)[0] for up in both]
    assert [up.returncode for up in both] == [0, 0], shown
    assert sum("Starting control plane" in text for text in shown) == 1, "once"
    servers = [line for text in shown for line in text.splitlines() if "API server" in line]
    assert len(servers) == 2
    assert len(set(servers)) == 1


class _Halting(QuietHandler):
    """Sends half of a file, and the rest when `go_on` is set."""

    go_on = threading.Event()
    halted = threading.Event()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content[: len(content) // 2])
        self.halted.set()
        self.go_on.wait(60)
        with contextlib.suppress(OSError):
            outputfile.write(content[len(content) // 2 :])


@pytest.fixture
def download_kind(tmp_path: Path) -> Iterator[list[str]]:
    """Give a command that fetches kind as `up` does, from a server that first sends half of it."""
    _Halting.go_on.clear()
    _Halting.halted.clear()
    content = b"#!/bin/sh\necho whole\nexit 0\n".ljust(8 << 20, b"#")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/kind").write_bytes(content)
    with web_server(tmp_path / "site", _Halting) as url:
        digest = hashlib.sha256(content).hexdigest()
        release = Release("kind-test", f"{url}/kind", "sha256", digest, {"kind": ""}, 8)
        yield python(f"""
from devcluster import cli, binaries, releases
from devcluster.releases import Release
releases.providing = lambda name, on: {release!r} if name == "kind" else None
cli.commands = lambda: print(binaries.ensure(["kind"])["kind"])
cli.app()
""")
        _Halting.go_on.set()


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_half_a_download_is_never_used(download_kind: list[str], number: signal.Signals) -> None:
    with start([*USUAL_SIGNALS, *download_kind]) as first:
        until(_Halting.halted.is_set)
        until(lambda: any(paths.binaries().glob(".unfinished-*/.archive")))
        first.send_signal(number)
        assert "Traceback" not in first.communicate()[0]
    assert not (paths.binaries() / "kind-test").exists()

    _Halting.go_on.set()
    code, shown = execute(download_kind)

    assert code == 0, shown
    assert run.output([paths.binaries() / "kind-test" / "kind"]) == "whole"
    assert [entry.name for entry in paths.binaries().iterdir()] == ["kind-test"]


@pytest.mark.usefixtures("own_cache")
def test_a_scratch_folder_goes_with_its_process() -> None:
    code = (
        "from devcluster import disk\n"
        "with disk.scratch() as folder:\n    print(folder, flush=True)\n    sys.stdin.read()"
    )
    with waiting(code) as (_, line):
        theirs = Path(line)
        with disk.scratch() as mine:
            assert theirs.is_dir(), "it is in use"
            assert mine.is_dir()
        assert not mine.exists()
    with disk.scratch():
        assert not theirs.exists()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "it.json"
    disk.write_whole(target, "old")
    with pytest.raises(UnicodeEncodeError):
        disk.write_whole(target, "new \udc80")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


# A machine that is in no network


@needs_programs
def test_a_control_plane_needs_no_network() -> None:
    use = """
from devcluster import controlplane
with controlplane.running("alone") as plane:
    print(plane.client().get("/readyz"))
"""
    code, shown = execute([*_as_root(), "unshare", "--net", *python(UP_LOOPBACK + use)])
    assert code == 0, shown
    assert shown.endswith("ok\n")


# A full disk


def _on_a_small_disk(folder: Path, megabytes: int, argv: list[str]) -> list[str]:
    """Return a command with a disk of its own at `folder`, which goes with it."""
    folder.mkdir(parents=True, exist_ok=True)
    script = f'mount -t tmpfs -o size={megabytes}m none {folder} && exec "$@"'
    return [*_as_root(), "unshare", "--mount", "sh", "-c", script, "sh", *argv]


def _as_root() -> list[str]:
    if os.geteuid() == 0:
        return []
    as_root = ["sudo", "--non-interactive", "--preserve-env"]
    if not run.run_ok([*as_root, "true"]):
        pytest.skip("only root can have a disk or a network for one command")
    return [*as_root, "env", f"PATH={os.environ['PATH']}"]


def _fails_for_lack_of_room(argv: list[str], folder: Path) -> str:
    """Run a command that must say which disk is full and what to free; return what it printed."""
    code, shown = execute(argv)
    assert code == 1, shown
    assert "A disk is full. There are free:" in shown
    assert f"MB for {folder}" in shown
    assert "devcluster prune" in shown
    assert "XDG_CACHE_HOME" in shown
    return shown


def test_a_full_disk_ends_a_download_with_what_to_free(
    download_kind: list[str], own_cache: Path
) -> None:
    _Halting.go_on.set()
    shown = _fails_for_lack_of_room(
        _on_a_small_disk(own_cache.parent, 4, download_kind), paths.cache()
    )
    assert "Building instead" not in shown, "which needs more room still"


@needs_go
def test_a_full_disk_ends_a_build_with_what_to_free(own_cache: Path) -> None:
    build = python(
        "from devcluster import binaries, cli\n"
        "cli.commands = lambda: binaries.ensure(['pause'], build=True)\ncli.app()"
    )
    _fails_for_lack_of_room(_on_a_small_disk(own_cache.parent, 1, build), paths.cache())


@needs_programs
def test_a_full_disk_ends_a_control_plane_with_what_to_free(tmp_path: Path) -> None:
    command = _on_a_small_disk(tmp_path / "state", 1, _up("full"))
    _fails_for_lack_of_room(command, paths.state())


# What is missing


def _path_without(tmp_path: Path, *missing: str) -> str:
    """Return a PATH with every program of this machine but these."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(place).glob("*"):
            if program.name not in missing:
                (folder / program.name).unlink(missing_ok=True)
                (folder / program.name).symlink_to(program)
    return str(folder)


MISSING = {
    "apt-get": "apt-get install apt",
    "dpkg-deb": "apt-get install dpkg",
    "unshare": "apt-get install util-linux",
    "mount": "apt-get install mount",
    "perl": "apt-get install perl",
    "go": "https://go.dev/dl",
}


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("program", MISSING)
def test_the_doctor_names_each_missing_program(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "is_reachable", lambda _: False)
    assert not any((Path(folder) / program).exists() for folder in ("/usr/sbin", "/sbin"))
    monkeypatch.setenv("PATH", _path_without(tmp_path, program, "docker"))
    missing = [check for check in doctor.kind() if check.outcome is Outcome.MISSING]
    named = [check for check in missing if program in check.what.lower()]
    assert named, missing
    assert MISSING[program] in named[0].hint
    note = "Docker engine: none; a private one is made from Debian's packages"
    assert Check(Outcome.NOTE, note) in doctor.kind()


def test_the_doctor_recognizes_a_docker_client_without_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(tmp_path / "bin/docker", "#!/bin/sh\necho no daemon >&2\nexit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert "the docker client is there, but no engine answers" in doctor.kind()[0].what


def test_the_doctor_names_missing_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "machine_engine", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    hints = {check.what: check.hint for check in doctor.kind()}
    assert "apt-get install docker.io" in hints["root"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "_may_mount", lambda: False)
    hints = {check.what: check.hint for check in doctor.kind()}
    assert "--privileged" in hints["the right to mount (CAP_SYS_ADMIN)"]


def test_the_doctor_names_a_disk_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda _: 1 << 30)
    room = [check for check in doctor.control_plane() if "GiB free" in check.what]
    assert {check.outcome for check in room} == {Outcome.MISSING}
    assert "devcluster prune" in room[0].hint


@pytest.mark.usefixtures("own_cache")
def test_without_go_up_says_how_to_get_it(tmp_path: Path) -> None:
    path = _path_without(tmp_path, "go")
    code, shown = execute(_up("nogo"), PATH=path, DEVCLUSTER_BUILD="1")
    assert code == 1
    assert "Go is needed to build Kubernetes, etcd and CoreDNS, and is not installed." in shown
    assert offline.GO_HINT in shown.replace("\n", " ")


def test_up_recognizes_a_docker_client_without_an_engine(tmp_path: Path) -> None:
    write_program(tmp_path / "bin/docker", "#!/bin/sh\necho 'Cannot connect' >&2\nexit 1\n")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    code, shown = execute(devcluster("up", "--name", "cli", "--engine", "docker"), PATH=path)
    assert code == 1
    assert "No Docker engine answers." in shown
    assert "--engine private" in shown


def test_without_root_up_says_what_else_can_be_done() -> None:
    # A folder that other users can reach: pytest's own are private.
    home = Path(tempfile.mkdtemp(prefix="dc-"))
    home.chmod(0o777)
    # The modules are loaded first: another user may not be let into this checkout.
    code = (
        "import os, sys\nfrom devcluster import cli\n"
        "cli.commands(['status'], standalone_mode=False)\n"
        f"if os.geteuid() == 0:\n    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "sys.argv = ['devcluster', 'up', '--name', 'rootless', '--engine', 'private']\ncli.app()"
    )
    try:
        variables = dict.fromkeys(("XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME"), str(home))
        ended, shown = execute(python(code), **variables)
    finally:
        shutil.rmtree(home)
    assert ended == 1
    assert "can only be started by root" in shown
    assert "or run this with sudo" in shown
