"""The command line: what people read, and how it ends."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from devcluster import cli, doctor, download, offline, run
from devcluster.engine import Engine
from devcluster.errors import DevclusterError
from tests.devcluster.support import stopped_plane

pytestmark = [pytest.mark.devcluster, pytest.mark.usefixtures("own_cache")]

COMMANDS = (
    *("up", "down", "status", "load", "kubeconfig", "env", "prepare", "image", "doctor", "prune"),
)


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.commands, list(arguments), catch_exceptions=False)
    return result.exit_code, result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    code, shown = _run(command, "--help")
    assert code == 0
    assert "Usage:" in shown
    assert command in _run("--help")[1]


def test_with_nothing_up_the_answers_say_what_to_do() -> None:
    assert _run("status") == (0, "No cluster is up. To bring one up: devcluster up\n")
    assert json.loads(_run("status", "--json")[1]) == []
    with pytest.raises(DevclusterError) as caught:
        _run("kubeconfig", "--name", "none")
    assert "devcluster up --name none" in caught.value.hint


def test_a_failure_is_two_sentences_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["devcluster", "up", "--control-plane", "--name", "NO"])
    with pytest.raises(SystemExit) as ended:
        cli.app()
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert "“NO” can't be the name of a cluster." in shown
    assert "small letters" in shown
    assert "Traceback" not in shown


def test_options_of_kind_are_rejected_for_a_control_plane() -> None:
    code, shown = _run("up", "--control-plane", "--port", "8080")
    assert code == 2
    assert "kind clusters" in shown


def test_a_control_plane_takes_no_images_and_has_its_name_to_itself() -> None:
    folder = stopped_plane("plane")
    with pytest.raises(DevclusterError, match="simulated"):
        _run("load", "x:1", "--name", "plane")
    with pytest.raises(DevclusterError, match="control plane without nodes"):
        _run("up", "--name", "plane")
    with pytest.raises(DevclusterError, match="not running any more") as caught:
        _run("env", "--name", "plane")
    assert "--control-plane --name plane" in caught.value.hint
    assert "stopped" in _run("status")[1]
    assert _run("down", "--name", "plane")[0] == 0
    assert not folder.exists()


def test_the_doctor_names_what_is_missing_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "which", lambda _: None)
    monkeypatch.setattr(doctor, "machine_engine", lambda: None)
    monkeypatch.setattr(download, "is_reachable", lambda _: False)
    code, shown = _run("doctor")
    assert code == 1
    assert "missing  Go, to build etcd" in shown
    assert offline.GO_HINT in shown
    assert "apt-get install util-linux" in shown


def test_the_doctor_is_content_with_a_docker_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Engine(docker=Path("/usr/bin/docker"), private=False)
    monkeypatch.setattr(doctor, "machine_engine", lambda: own)
    monkeypatch.setattr(download, "is_reachable", lambda _: True)
    outcomes = {check.outcome for check in doctor.kind()}
    assert doctor.Outcome.MISSING not in outcomes
