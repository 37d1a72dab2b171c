"""Ends in the middle, two at once, full disks, what is missing: a clear message, or it just works.

Real processes, signals and disks; what an engine is needed for is in test_kind.py.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from devcluster import (
    binaries,
    controlplane,
    disk,
    doctor,
    download,
    kindcluster,
    locking,
    offline,
    paths,
    processes,
    progress,
    run,
)
from devcluster.doctor import Check, Outcome
from devcluster.errors import DevclusterError
from devcluster.offline import requirements
from devcluster.offline.hostcleanup import Footprint

pytestmark = pytest.mark.devcluster

needs_programs = pytest.mark.skipif(
    not all(binaries.cached(name) for name in controlplane.PROGRAMS),
    reason="the programs are not there yet: devcluster prepare --control-plane",
)
# Only what is built is asked for, not what Go has compiled already.
GO_CACHE = run.output(["go", "env", "GOCACHE"]) if shutil.which("go") else ""
NOBODY = 65534
# Tests may run in the background, where a shell has children ignore Ctrl-C.
USUAL_SIGNALS = ("env", "--default-signal=INT,HUP,TERM")


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    yield
    for plane in controlplane.all_known():
        controlplane.down(plane.name)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOCACHE", GO_CACHE)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "devcluster.cli", *arguments]


def _started(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start devcluster as a terminal would."""
    return subprocess.Popen(
        [*USUAL_SIGNALS, *_command(*arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **variables},
    )


def _said(argv: list[str], **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        env={**os.environ, **variables},
        check=False,
    )
    assert "Traceback" not in done.stdout
    return done.returncode, done.stdout


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


# In the middle


def _has_processes(name: str, count: int) -> bool:
    found = controlplane.find(name)
    return found is not None and len(found.processes) >= count


@needs_programs
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_end_by_signal_leaves_nothing_and_prints_no_traceback(number: signal.Signals) -> None:
    with _started("up", "--control-plane", "--name", "ended") as up:
        _until(lambda: _has_processes("ended", 2))
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
    with _started("up", "--control-plane", "--name", "killed") as up:
        _until(lambda: _has_processes("killed", 2))
        before = controlplane.find("killed")
        up.kill()
    assert before is not None
    assert any(process.alive for process in before.processes)

    code, shown = _said(_command("up", "--control-plane", "--name", "killed"))

    assert code == 0, shown
    assert not any(process.alive for process in before.processes)
    now = controlplane.find("killed")
    assert now is not None
    assert len(processes.working_in(now.folder, paths.binaries())) == len(now.processes)


@needs_programs
def test_two_at_once_of_the_same_name_are_one_cluster() -> None:
    both = [_started("up", "--control-plane", "--name", "same") for _ in range(2)]
    shown = [each.communicate(timeout=120)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0], shown
    assert sum("Starting control plane" in each for each in shown) == 1, "once"
    servers = [line for each in shown for line in each.splitlines() if "API server" in line]
    assert len(servers) == 2
    assert len(set(servers)) == 1


def test_a_lock_lasts_as_long_as_what_a_killed_process_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=shown, width=200))
    monkeypatch.setattr(locking, "_REPORT_AFTER_SECONDS", 0.0)
    child = tmp_path / "child"
    code = (
        "from devcluster import run\nfrom devcluster.locking import locked\n"
        "with locked('thing'):\n"
        f"    run.run(['sh', '-c', 'echo $$ > {child}.new; mv {child}.new {child}; "
        "exec sleep 600'])"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as holder:
        _until(child.exists)
        holder.kill()
    pid = int(child.read_text())
    with (
        pytest.raises(DevclusterError, match="left running"),
        locking.locked("thing", timeout=0.3),
    ):
        pass
    os.kill(pid, signal.SIGKILL)
    with locking.locked("thing", timeout=10):
        pass


def test_a_lock_that_is_given_back_is_free_whatever_still_runs() -> None:
    with locking.locked("thing"):
        child = subprocess.Popen(["sleep", "600"], pass_fds=locking.inherited_locks())
    try:
        with locking.locked("thing", timeout=0):
            pass
    finally:
        child.kill()
        child.wait()


class _Halting(SimpleHTTPRequestHandler):
    """Sends half of what is asked for, and the rest when `go_on` is set."""

    go_on = threading.Event()
    halted = threading.Event()

    def copyfile(self, source: object, outputfile: object) -> None:
        content = source.read()  # type: ignore[attr-defined]
        outputfile.write(content[: len(content) // 2])  # type: ignore[attr-defined]
        self.halted.set()
        self.go_on.wait(60)
        with contextlib.suppress(OSError):
            outputfile.write(content[len(content) // 2 :])  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server with a program of 8 MB, of which it first sends only half."""
    _Halting.go_on.clear()
    _Halting.halted.clear()
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "kind").write_bytes(b"#!/bin/sh\necho whole\nexit 0\n".ljust(8 << 20, b"#"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Halting, directory=str(folder)))
    server.daemon_threads = True
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        _Halting.go_on.set()
        server.shutdown()
        thread.join()


def _downloading(site: str, tmp_path: Path) -> list[str]:
    """Return a command that fetches kind as `up` does, from that server."""
    code = f"""
import hashlib, sys
from pathlib import Path
from devcluster import cli, binaries, releases
content = Path({str(tmp_path / "site/kind")!r}).read_bytes()
pinned = releases.Release(
    "kind-test", "{site}/kind", "sha256", hashlib.sha256(content).hexdigest(), {{"kind": ""}}, 8
)
releases.providing = lambda name, on: pinned if name == "kind" else None
cli.commands = lambda: print(binaries.ensure(["kind"])["kind"])
cli.app()
"""
    return [sys.executable, "-c", code]


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_half_a_download_is_never_taken(site: str, tmp_path: Path, number: signal.Signals) -> None:
    command = _downloading(site, tmp_path)
    with subprocess.Popen([*USUAL_SIGNALS, *command], stderr=subprocess.PIPE, text=True) as first:
        _until(_Halting.halted.is_set)
        _until(lambda: any(paths.binaries().glob(".unfinished-*/.archive")))
        first.send_signal(number)
        assert first.stderr is not None
        assert "Traceback" not in first.stderr.read()
    assert not (paths.binaries() / "kind-test").exists()

    _Halting.go_on.set()
    code, shown = _said(command)

    assert code == 0, shown
    assert run.output([paths.binaries() / "kind-test" / "kind"]) == "whole"
    assert [entry.name for entry in paths.binaries().iterdir()] == ["kind-test"]


GO_THAT_HALTS = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
echo half > "$2"
touch {halted}
while [ ! -e {go_on} ]; do sleep 0.05; done
echo 'the end of a build that nobody waits for'
"""
GO = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho whole\\n' > "$2"
chmod +x "$2"
"""


@pytest.mark.usefixtures("own_cache")
def test_half_a_build_is_never_taken(tmp_path: Path) -> None:
    halted, go_on = tmp_path / "halted", tmp_path / "go-on"
    _program(tmp_path / "first/go", GO_THAT_HALTS.format(halted=halted, go_on=go_on))
    _program(tmp_path / "second/go", GO)
    code = "from devcluster import binaries; print(binaries.ensure(['pause'], build=True)['pause'])"
    build = [sys.executable, "-c", code]
    first_path = {"PATH": f"{tmp_path / 'first'}:{os.environ['PATH']}"}
    with subprocess.Popen(build, env={**os.environ, **first_path}) as first:
        _until(halted.exists)
        first.kill()

    second_path = {"PATH": f"{tmp_path / 'second'}:{os.environ['PATH']}"}
    with subprocess.Popen(
        build,
        env={**os.environ, **second_path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as second:
        assert second.stderr is not None
        waiting = second.stderr.readline()
        assert "left running" in waiting, "the first build is still writing"
        go_on.touch()
        built, shown = second.communicate(timeout=60)

    assert second.returncode == 0, shown
    assert run.output([built.strip()]) == "whole"
    assert [entry.name for entry in paths.binaries().iterdir()] == [Path(built).parent.name]


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.usefixtures("own_cache")
def test_a_scratch_folder_goes_with_its_process() -> None:
    code = (
        "import time\nfrom devcluster import disk\n"
        "with disk.scratch() as folder:\n    print(folder, flush=True)\n    time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        with disk.scratch() as mine:
            assert theirs.is_dir(), "it is in use"
            assert mine.is_dir()
        assert not mine.exists()
        other.kill()
    with disk.scratch():
        assert not theirs.exists()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "it.json"
    disk.write_whole(target, "old")
    with pytest.raises(UnicodeEncodeError):
        disk.write_whole(target, "new \udc80")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


# A reboot in between


def test_what_was_before_the_engine_is_looked_at_anew_after_a_reboot() -> None:
    before = Footprint(
        interfaces=frozenset({"lo", "gone"}),
        rules={"iptables": ("filter -A INPUT -j ACCEPT",)},
        tables=frozenset(),
        cgroups=frozenset(),
        folders=frozenset({"/opt/containerd"}),
        settings={"net/ipv4/ip_forward": "0"},
        boot="one",
    )
    now = Footprint(
        interfaces=frozenset({"lo", "new"}),
        rules={},
        tables=frozenset(),
        cgroups=frozenset(),
        folders=frozenset({"/opt/containerd", "/etc/docker"}),
        settings={"net/ipv4/ip_forward": "1"},
        boot="two",
    )
    known = before.after_boot(now)
    assert known.settings == {"net/ipv4/ip_forward": "1"}, "set by the user since, and to stay"
    assert known.interfaces == now.interfaces
    assert known.folders == before.folders, "files outlast a reboot: the engine's are to go"
    assert before.after_boot(Footprint.from_json(before.to_json())) == before


def test_a_record_that_was_cut_short_is_a_half_made_cluster() -> None:
    folder = paths.cluster("torn")
    folder.mkdir(parents=True)
    (folder / "kind.json").write_text("")
    with pytest.raises(DevclusterError, match="half made"):
        kindcluster.kubeconfig("torn")
    assert [found.name for found in kindcluster.status()] == ["torn"]


# A port in use


def test_a_port_that_was_asked_for_and_is_taken_is_said_before_anything_is_made() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, shown = _said(_command("up", "--name", "port", "--port", str(port)))
    assert code == 1
    assert f"Port {port} on 127.0.0.1 is taken by another program" in shown
    assert "Choose another with --port" in shown
    assert not paths.cluster("port").exists()

    folder = paths.cluster("theirs")
    folder.mkdir(parents=True)
    record = {"private": False, "pulls": True, "image": "x", "port": 8765}
    (folder / "kind.json").write_text(json.dumps(record))
    code, shown = _said(_command("up", "--name", "port", "--port", "8765"))
    assert code == 1
    assert "is taken by the cluster theirs" in shown


# A machine that is in no network

UP_LOOPBACK = """
import fcntl, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, 0x8914, b"lo".ljust(16, b"\\0") + struct.pack("H", 0x49) + bytes(22))
from devcluster import controlplane
with controlplane.running("alone") as plane:
    print(plane.client().get("/readyz"))
"""


@needs_programs
def test_a_control_plane_needs_no_network() -> None:
    command = [*_as_root(), "unshare", "--net", sys.executable, "-c", UP_LOOPBACK]
    code, shown = _said(command)
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


def _assert_full(code: int, shown: str, folder: Path) -> None:
    assert code == 1, shown
    assert "A disk is full. There are free:" in shown
    assert f"MB for {folder}" in shown
    assert "devcluster prune" in shown
    assert "XDG_CACHE_HOME" in shown


@pytest.mark.usefixtures("own_cache")
def test_a_full_disk_ends_a_download_with_what_to_free(site: str, tmp_path: Path) -> None:
    _Halting.go_on.set()
    command = _on_a_small_disk(tmp_path / "cache", 4, _downloading(site, tmp_path))
    code, shown = _said(command)
    _assert_full(code, shown, paths.cache())
    assert "Building instead" not in shown, "which needs more room still"


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
@pytest.mark.usefixtures("own_cache")
def test_a_full_disk_ends_a_build_with_what_to_free(tmp_path: Path) -> None:
    code = (
        "from devcluster import binaries, cli\n"
        "cli.commands = lambda: binaries.ensure(['pause'], build=True)\ncli.app()"
    )
    command = [sys.executable, "-c", code]
    _assert_full(*_said(_on_a_small_disk(tmp_path / "cache", 1, command)), paths.cache())


@needs_programs
def test_a_full_disk_ends_a_control_plane_with_what_to_free(tmp_path: Path) -> None:
    up = _command("up", "--control-plane", "--name", "full")
    command = _on_a_small_disk(tmp_path / "state", 1, up)
    _assert_full(*_said(command), paths.state())


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


def _is_in_the_systems_own_folders(program: str) -> bool:
    return any((Path(place) / program).exists() for place in ("/usr/sbin", "/sbin"))


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
    monkeypatch.setattr(download, "reachable", lambda _: False)
    assert not _is_in_the_systems_own_folders(program)
    monkeypatch.setenv("PATH", _path_without(tmp_path, program, "docker"))
    missing = [check for check in doctor.kind() if check.outcome is Outcome.MISSING]
    found = [check for check in missing if program in check.what.lower()]
    assert found, missing
    assert MISSING[program] in found[0].hint
    note = "Docker engine: none; a private one is made from Debian's packages"
    assert Check(Outcome.NOTE, note) in doctor.kind()


def test_the_doctor_tells_a_docker_client_without_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "bin/docker", "#!/bin/sh\necho no daemon >&2\nexit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert "the docker client is there, but no engine answers" in doctor.kind()[0].what


def test_the_doctor_tells_rights_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "machine_engine", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    hints = {check.what: check.hint for check in doctor.kind()}
    assert "apt-get install docker.io" in hints["root"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "_may_mount", lambda: False)
    hints = {check.what: check.hint for check in doctor.kind()}
    assert "--privileged" in hints["the right to mount (CAP_SYS_ADMIN)"]


def test_the_doctor_tells_a_disk_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda _: 1 << 30)
    room = [check for check in doctor.control_plane() if "GiB free" in check.what]
    assert {check.outcome for check in room} == {Outcome.MISSING}
    assert "devcluster prune" in room[0].hint


@pytest.mark.usefixtures("own_cache")
def test_without_go_up_says_how_to_get_it(tmp_path: Path) -> None:
    path = _path_without(tmp_path, "go")
    up = _command("up", "--control-plane", "--name", "nogo")
    code, shown = _said(up, PATH=path, DEVCLUSTER_BUILD="1")
    assert code == 1
    assert "Go is needed to build Kubernetes, etcd and CoreDNS, and is not installed." in shown
    assert offline.GO_HINT in shown.replace("\n", " ")


def test_a_docker_client_without_an_engine_is_told_apart(tmp_path: Path) -> None:
    _program(tmp_path / "bin/docker", "#!/bin/sh\necho 'Cannot connect' >&2\nexit 1\n")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    code, shown = _said(_command("up", "--name", "cli", "--engine", "docker"), PATH=path)
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
    variables = {"XDG_STATE_HOME": str(home), "XDG_CACHE_HOME": str(home), "HOME": str(home)}
    try:
        ended, shown = _said([sys.executable, "-c", code], **variables)
    finally:
        shutil.rmtree(home)
    assert ended == 1
    assert "can only be started by root" in shown
    assert "or run this with sudo" in shown


# What a shell is told


def test_path_does_not_grow_when_env_is_evaluated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    ours = paths.cluster("one") / "bin"
    once = run.path_with([ours])
    monkeypatch.setenv("PATH", once)
    assert once == f"{ours}:/usr/bin:/bin"
    assert run.path_with([ours]) == once
    other = paths.cluster("two") / "bin"
    assert run.path_with([other]) == f"{other}:/usr/bin:/bin", "that of another cluster goes"
