"""What the plugin is as a program: what it imports, its command line, its completion, its page."""

import re
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest

from bookstore_operator.core.kinds import BOOKSTORES, PODS
from kubectl_bookstore import app
from kubectl_bookstore.__main__ import as_kubectl_reads
from kubectl_bookstore.cluster import kubectl as transport
from kubectl_bookstore.cluster.kubectl import Connection, Kubectl, KubectlError, items_in, kind
from kubectl_bookstore.completion import answer
from kubectl_bookstore.errors import ExitCode
from kubectl_bookstore.views.text import age, clean
from tests.support.world import BEGIN

pytestmark = pytest.mark.golden

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "kubectl-bookstore.md").read_text("utf-8")
FORBIDDEN = ("kopf", "kubernetes", "aiohttp", "structlog")
IMPORT_ALL = f"""
import importlib, pkgutil, sys
for name in {FORBIDDEN!r}:
    sys.modules[name] = None  # an import of it fails
import kubectl_bookstore
for module in pkgutil.walk_packages(kubectl_bookstore.__path__, "kubectl_bookstore."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
loaded = [name for name in sys.modules if name.startswith("bookstore_operator.")]
print(*[name for name in loaded if name.split(".")[1] in ("runtime", "kube", "cli")])
"""


def test_it_runs_without_what_only_a_running_operator_needs() -> None:
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == ""


def test_it_is_installed_without_what_only_a_running_operator_needs() -> None:
    plain = {
        re.split(r"[ <>=;\[]", requirement)[0]
        for distribution in ("kubectl-bookstore", "bookstore-operator")
        for requirement in requires(distribution) or ()
        if "extra ==" not in requirement
    }
    assert plain.isdisjoint(FORBIDDEN)
    assert {"typer", "rich", "pydantic"} <= plain


def test_it_needs_the_operator_of_its_own_version() -> None:
    own = version("kubectl-bookstore")
    assert own == version("bookstore-operator")
    assert f"bookstore-operator =={own}" in (requires("kubectl-bookstore") or ())


def test_the_operator_says_how_to_install_what_running_it_takes() -> None:
    code = (
        "import sys; sys.modules['kopf'] = None\n"
        "from bookstore_operator.cli import main; main(['run'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (
        1,
        "kopf is not installed: pip install 'bookstore-operator[run]'.\n",
    )


# The page ---------------------------------------------------------------------------------------


def test_the_page_has_every_command_and_every_exit_code() -> None:
    commands = set(app.command_tree().commands)
    assert set(re.findall(r"^## `([\w-]+)`", PAGE, re.MULTILINE)) == commands
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert [(int(code), text) for code, text in rows] == [(int(c), c.meaning) for c in ExitCode]


def test_every_command_has_an_example_that_begins_as_a_plugin_does() -> None:
    for name, command in app.command_tree().commands.items():
        assert f"For example:\n  kubectl bookstore {name}" in command.help, name


# Completion -------------------------------------------------------------------------------------


@pytest.fixture
def no_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def completed(*words: str) -> tuple[list[str], str]:
    *lines, directive = answer(words)
    return [line.partition("\t")[0] for line in lines], directive


@pytest.mark.usefixtures("no_kubectl")
def test_commands_options_and_values_are_completed() -> None:
    assert completed("")[0] == list(app.command_tree().commands)
    assert completed("st") == (["status"], ":4")
    assert completed("status", "--wa") == (["--watch", "--wait"], ":4")
    assert completed("status", "-o", "") == (["text", "json", "yaml"], ":4")
    assert completed("status", "--output=j") == (["--output=json"], ":4")
    assert completed("plan", "-f", "") == ([], ":0")
    assert completed("plan", "--filename=") == ([], ":0")
    assert completed("abort", "--timeout", "") == ([], ":4")
    assert completed("nonsense", "--what", "") == (list(app.command_tree().commands), ":4")


@pytest.mark.usefixtures("no_kubectl")
def test_completion_is_silent_when_the_cluster_does_not_answer() -> None:
    assert answer(["status", ""]) == [":4"]
    assert answer(["status", "-n", ""]) == [":4"]


def test_completion_gives_kubectl_the_options_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Connection] = []

    def run(self: Kubectl, *arguments: str) -> str:
        assert arguments[0] == "get"
        asked.append(self._connection)
        return "bookstore.bookstore.dev/demo\nbookstore.bookstore.dev/other\n"

    monkeypatch.setattr(Kubectl, "run", run)
    assert completed("why", "-n", "shop", "--context=there", "d") == (["demo"], ":4")
    assert (asked[0].namespace, asked[0].context) == ("shop", "there")


def test_short_options_are_read_as_kubectl_does() -> None:
    words = ["status", "-o=json", "-n=shop", "--context=a=b", "-w", "-"]
    expected = ["status", "-o", "json", "-n", "shop", "--context=a=b", "-w", "-"]
    assert as_kubectl_reads(words) == expected


# kubectl ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stderr", "reason", "code", "advice"),
    [
        (
            'error: the server doesn\'t have a resource type "bookstores"',
            "NoCRD",
            ExitCode.NOT_FOUND,
            "install.yaml",
        ),
        (
            "E1127 14:00:00.000000 7 memcache.go:265] couldn't get current server API group list\n"
            "The connection to the server 10.0.0.1:6443 was refused - did you specify the right "
            "host or port?",
            "Unreachable",
            ExitCode.ERROR,
            "cluster-info",
        ),
        (
            "Unable to connect to the server: dial tcp: lookup nowhere: no such host",
            "Unreachable",
            ExitCode.ERROR,
            "config current-context",
        ),
        (
            'Error from server (Forbidden): pods is forbidden: User "u" cannot list resource',
            "Forbidden",
            ExitCode.ERROR,
            "roles-for-people",
        ),
        (
            "error: You must be logged in to the server (Unauthorized)",
            "Unauthorized",
            ExitCode.ERROR,
            "auth whoami",
        ),
        ('error: context "nope" does not exist', "NoContext", ExitCode.USAGE, "get-contexts"),
        ("Error from server (Conflict): the object has been modified", "Conflict", 1, ""),
        ("error: something new", "Unknown", ExitCode.ERROR, ""),
        ("", "Unknown", ExitCode.ERROR, "without a message"),
    ],
)
def test_an_error_of_kubectl_says_what_to_do(
    stderr: str, reason: str, code: int, advice: str
) -> None:
    error = transport._explain(stderr, "")
    assert (error.reason, error.code) == (reason, code)
    assert advice in str(error)
    assert "memcache.go" not in str(error)


def test_kubectl_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(KubectlError, match="not on PATH"):
        Kubectl().run("version")


def test_kubectl_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = tmp_path / "kubectl"
    program = "import sys, time\nprint('log in', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    slow.write_text(f"#!{sys.executable}\n{program}")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(transport, "_GRACE_SECONDS", 0)
    with pytest.raises(KubectlError, match=r"did not end within 1 s\. It printed: log in"):
        Kubectl(Connection(request_seconds=1)).run("get", "pods")


def test_kubectl_gets_the_options_of_the_command_line() -> None:
    connection = Connection("shop", "there", "file", "me", ("admins", "staff"), 7)
    assert connection.arguments() == [
        *("--namespace=shop", "--context=there", "--kubeconfig=file", "--as=me"),
        *("--request-timeout=7s", "--as-group=admins", "--as-group=staff"),
    ]


def test_kinds_are_named_without_ambiguity() -> None:
    assert kind(BOOKSTORES) == "bookstores.v1alpha1.bookstore.dev"
    assert kind(PODS) == "pods"


def test_what_kubectl_get_prints_is_a_list_an_object_or_nothing() -> None:
    assert items_in("") == []
    assert items_in('{"kind": "List", "items": [{"a": 1}]}') == [{"a": 1}]
    assert items_in('{"kind": "Secret", "metadata": {}}') == [{"kind": "Secret", "metadata": {}}]


# Text -------------------------------------------------------------------------------------------


def test_text_of_the_cluster_can_not_steer_a_terminal() -> None:
    assert clean("a\x1b]0;title\x07b\r\nc\u202ed") == "a�]0;title�b c�d"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "0s"), (119, "119s"), (125, "2m"), (7300, "2h"), (200000, "2d")]
)
def test_an_age_is_short(seconds: int, expected: str) -> None:
    later = BEGIN.fromtimestamp(BEGIN.timestamp() + seconds, BEGIN.tzinfo)
    assert age(BEGIN, later) == expected
