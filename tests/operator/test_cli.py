"""The command line."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bookstore_operator import cli
from bookstore_operator.crd.schema import crds
from bookstore_operator.runtime import process
from bookstore_operator.runtime.options import Options
from tests.support.log_lines import validated

pytestmark = pytest.mark.scenario


def run_cli(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bookstore_operator", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


def options_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Options:
    """The options that a command line and the environment amount to."""
    taken: list[Options] = []
    monkeypatch.setattr(process, "run", taken.append)
    monkeypatch.setattr(process, "run_process", lambda _: None)
    monkeypatch.setattr("bookstore_operator.runtime.logs.configure", lambda *_: None)
    cli.main(["run", *arguments])
    return taken[0]


def test_options_win_over_the_environment_and_that_over_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BOOKSTORE_OPERATOR_POSTGRES_IMAGE", "from-environment")
    monkeypatch.setenv("BOOKSTORE_OPERATOR_WORKERS", "3")
    options = options_of(
        monkeypatch, "--workers=4", "--no-leader-election", "--valkey-image=from-option"
    )
    assert options.settings.valkey_image == "from-option"
    assert options.settings.postgres_image == "from-environment"
    assert options.workers == 4
    assert not options.leader_election
    assert options.namespaces == ()


def test_namespaces_add_up_and_all_means_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert options_of(monkeypatch, "--namespace=a", "--namespace=b").namespaces == ("a", "b")
    assert options_of(monkeypatch, "--namespace=all").namespaces == ()
    monkeypatch.setenv("BOOKSTORE_OPERATOR_NAMESPACE", "c,d")
    assert options_of(monkeypatch).namespaces == ("c", "d")


def test_without_a_cluster_it_exits_with_a_message() -> None:
    ended = run_cli("run", "--health-port=0", "--log-format=json", HOME="/nowhere")
    assert ended.returncode == 1
    last = validated(ended.stderr.splitlines())[-1]
    assert "--kubeconfig" in last["event"]
    assert last["level"] == "critical"


def test_a_port_in_use_exits_it_with_a_message(tmp_path: Path) -> None:
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "clusters": [cluster],
                "users": [{"name": "u", "user": {}}],
                "contexts": [context],
                "current-context": "x",
            }
        )
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_cli(
            "run",
            f"--kubeconfig={kubeconfig}",
            "--health-host=127.0.0.1",
            f"--health-port={port}",
            "--log-format=json",
        )
    assert ended.returncode == 1, ended.stderr
    assert "--health-port" in validated(ended.stderr.splitlines())[-1]["event"]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["crds", "--help"]])
def test_help_explains(arguments: list[str]) -> None:
    run = run_cli(*arguments)
    assert run.returncode == 0
    assert "usage: bookstore-operator" in run.stdout


def test_the_crds_are_printed_in_full() -> None:
    printed = list(yaml.safe_load_all(run_cli("crds").stdout))
    assert printed == crds()
    assert "&id" not in run_cli("crds").stdout
