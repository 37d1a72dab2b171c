"""The command line: output, exit codes, progress, what Kubernetes reads."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bookstore_backup.app import COMMANDS, app
from bookstore_backup.errors import ExitCode
from bookstore_backup.postgres.connection import Database
from tests.backup.support import ROWS, STORE
from tests.support.postgres import OwnPostgres
from tests.support.s3_faults import faulty_proxy, nothing, status
from tests.support.versitygw import Versitygw

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/bookstore-backup.md").read_text("utf-8")


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the tool with variables instead of the user's own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("BOOKSTORE_")}
    return subprocess.run(
        [sys.executable, "-m", "bookstore_backup", *map(str, arguments)],
        env={**own, **variables},
        check=False,
        capture_output=True,
        text=True,
    )


def invoke(*arguments: str | Path, **variables: str) -> Result:
    """Run the tool in this process, which is faster."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=variables)


@pytest.fixture
def variables(database: str, volume: Path, server: OwnPostgres, tmp_path: Path) -> dict[str, str]:
    return {
        "BOOKSTORE_BACKUP_URI": database,
        "BOOKSTORE_BACKUP_STORE": STORE,
        "BOOKSTORE_BACKUP_TARGET": f"file://{volume}",
        "BOOKSTORE_BACKUP_TOOLS": str(server.binaries),
        "BOOKSTORE_TERMINATION_LOG": str(tmp_path / "termination"),
    }


def test_a_life_of_backups(
    variables: dict[str, str], tmp_path: Path, empty: str, server: OwnPostgres
) -> None:
    created = run("create", "--reason", "schedule", **variables)
    assert created.returncode == 0, created.stderr
    assert re.fullmatch(
        rf"Backed up {ROWS} rows of 5 tables as \S+ in [\d.]+ s: [\d.]+ KiB, read back\.\n",
        created.stdout,
    )
    steps = created.stderr.splitlines()
    assert steps == [
        "waiting for the lock",
        "checking the target",
        "dumping",
        "computing checksums",
        "reading back",
        "writing the manifest",
    ]
    termination = json.loads((tmp_path / "termination").read_text())
    assert (termination["command"], termination["code"]) == ("create", "done")
    assert termination["backup"]["reason"] == "schedule"
    assert termination["backup"]["schemaRevisions"] == ["0003_contract", "0007_expand"]
    name = termination["backup"]["name"]

    listed = invoke("list", **variables)
    assert json.loads((tmp_path / "termination").read_text())["command"] == "list"
    header, row = listed.stdout.splitlines()
    assert header.split() == ["NAME", "STATE", "SIZE", "ROWS", "REASON", "VERIFIED"]
    assert row.split()[:2] == [name, "Complete"]
    assert row.split()[4:6] == [str(ROWS), "schedule"]

    (tmp_path / "uri").write_text(f"{empty}\n")
    into = ("restore", name, "--uri-file", tmp_path / "uri", "-q", "-o", "json")
    restored = invoke(*into, **variables)
    assert restored.stderr == ""
    assert json.loads(restored.stdout)["rows"] == ROWS
    again = invoke(*into, **variables)
    assert again.exit_code == int(ExitCode.REFUSED)
    assert json.loads(again.stdout)["code"] == "not-empty"
    assert again.stderr.startswith("bookstore-backup: the database ")

    (tmp_path / "server").write_text(server.url("postgres"))
    drilled = invoke("drill", "--server-uri-file", tmp_path / "server", "-o", "json", **variables)
    assert drilled.exit_code == 0, drilled.stderr
    measured = json.loads(drilled.stdout)
    assert 0 < measured["recoveryTimeSeconds"] < 60
    assert 0 <= measured["recoveryPointSeconds"] < 600

    there = {"BOOKSTORE_BACKUP_SERVER_URI": server.url("postgres"), **variables}
    for options in (["--keep-database=shop"], ["--keep-database=bookstore_drill_x"]):
        allowed = options[0].endswith("_x")
        kept = invoke("drill", *options, "-o", "json", **(there if allowed else variables))
        assert kept.exit_code == int(ExitCode.DONE if allowed else ExitCode.USAGE), kept.stderr

    pruned = invoke("prune", "--keep-last", "0", "-o", "json", **variables)
    assert json.loads(pruned.stdout)["deleted"] == []

    again = invoke("create", "--keep-last", "1", **variables)
    assert again.exit_code == 0, again.stderr
    termination = json.loads((tmp_path / "termination").read_text())
    assert termination["deleted"] == [name]
    (newest,) = termination["backups"]
    assert newest["name"] == termination["backup"]["name"] != name
    assert newest["state"] == "Complete"


def test_a_backup_whose_retention_fails_is_a_backup(
    variables: dict[str, str], s3: Versitygw, tmp_path: Path
) -> None:
    with faulty_proxy(s3.port) as proxy:
        variables |= {
            "BOOKSTORE_BACKUP_TARGET": f"s3://{s3.create_bucket()}/shops",
            "BOOKSTORE_BACKUP_S3_ENDPOINT": proxy.endpoint,
            "BOOKSTORE_BACKUP_S3_REGION": "us-east-1",
            "BOOKSTORE_BACKUP_S3_CREDENTIALS": str(s3.write_keys(tmp_path / "keys")),
        }
        assert invoke("create", **variables).exit_code == 0
        probed = (nothing,) * sum(method == "POST" for method, _ in proxy.requests)
        proxy.fail("POST", *probed, status(403, "AccessDenied"))
        created = invoke("create", "--keep-last", "1", **variables)
        assert created.exit_code == 0, created.stderr
        assert "The backup is complete, but older ones could not be" in created.stderr
        termination = json.loads((tmp_path / "termination").read_text())
        assert termination["code"] == "done"
        assert termination["retentionCode"] == "target-permission-denied"
        assert "backups" not in termination, "nothing is said of what is not known"
        again = invoke("create", "--keep-last", "1", "-o", "json", **variables)
        assert len(json.loads(again.stdout)["deleted"]) == 2


@pytest.mark.parametrize(
    ("arguments", "change", "code", "text"),
    [
        (["verify"], {}, ExitCode.NOT_FOUND, 'has no complete backup "latest"'),
        (["restore", "x"], {}, ExitCode.NOT_FOUND, 'has no complete backup "x"'),
        (["restore", "--before", "noon"], {}, ExitCode.USAGE, '"noon" is no time'),
        (["restore", "x", "--before", "2026-01-01"], {}, ExitCode.USAGE, "give no name beside"),
        (["create"], {"BOOKSTORE_BACKUP_URI": ""}, ExitCode.USAGE, "There is no database URI"),
        (["create"], {"BOOKSTORE_BACKUP_URI": "x://y"}, ExitCode.USAGE, "URI can't be read"),
        (["create"], {"BOOKSTORE_BACKUP_TARGET": "/x"}, ExitCode.USAGE, '"/x" is no target'),
        (["list"], {"BOOKSTORE_BACKUP_STORE": "A/B"}, ExitCode.USAGE, '"A/B" can\'t be the name'),
        (["list"], {"BOOKSTORE_BACKUP_TOOLS": "/usr"}, ExitCode.USAGE, "correct --tools"),
        (["create", "--recipients-file", "/dev/null"], {}, ExitCode.USAGE, "has no key"),
        (["verify", "--identities-file", __file__], {}, ExitCode.USAGE, "no private key of age"),
        (["create", "--no-such"], {}, ExitCode.USAGE, "No such option"),
        (["prune", "--minimum", "0"], {}, ExitCode.USAGE, "--minimum"),
    ],
)
def test_a_wrong_word_ends_with_its_code(
    volume: Path, arguments: list[str], change: dict[str, str], code: ExitCode, text: str
) -> None:
    given = {
        "BOOKSTORE_BACKUP_URI": "postgresql://127.0.0.1:9/x",
        "BOOKSTORE_BACKUP_STORE": STORE,
        "BOOKSTORE_BACKUP_TARGET": f"file://{volume}",
    }
    ran = CliRunner().invoke(app, arguments, env={**given, **change})
    assert ran.exit_code == int(code), ran.stderr
    assert text in " ".join(re.sub("[│╭╰─╮╯]", "", ran.stderr).split())
    assert isinstance(ran.exception, SystemExit)


def test_a_bucket_is_checked_by_its_options(s3: Versitygw, tmp_path: Path) -> None:
    keys, wrong = s3.write_keys(tmp_path / "keys"), s3.write_keys(tmp_path / "wrong", secret="x")
    target = (
        *("check-target", "-q", "--store", STORE, "--target", f"s3://{s3.create_bucket()}/pre/fix"),
        *("--s3-endpoint", s3.endpoint, "--s3-region", "us-east-1", "--s3-credentials"),
    )
    assert invoke(*target, keys).exit_code == 0
    rejected = invoke(*target, wrong, "-o", "json")
    assert rejected.exit_code == int(ExitCode.ERROR)
    assert json.loads(rejected.stdout)["code"] == "target-authentication-failed"


def test_each_command_has_help_and_a_row_on_the_page() -> None:
    for name in COMMANDS:
        assert re.search(rf"^\| `{name}[` ]", PAGE, re.MULTILINE), name
    assert "Usage: " in invoke("create", "--help").stdout
    assert run("--version").stdout.startswith("bookstore-backup ")


def test_it_needs_no_kubernetes_and_nothing_of_this_repository() -> None:
    needed = {re.split(r"[ <>=;\[]", text)[0] for text in requires("bookstore-backup") or ()}
    assert needed == {"obstore", "psycopg", "pydantic", "pyrage", "typer"}


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("postgresql+asyncpg://me:p%40ss@host:5433/shop?sslmode=require", "shop"),
        ("postgres://me@host", "me"),
        ("host=host dbname=shop password='p@ss'", "shop"),
    ],
)
def test_a_password_is_on_no_command_line(uri: str, name: str) -> None:
    database = Database.of(uri)
    assert database.name == name
    shown, environment = database.program_arguments()
    assert "p@ss" not in shown
    assert "password" not in shown
    if "p" in uri.partition("ss")[0] and "ss@" in uri.replace("%40ss", "ss"):
        assert environment["PGPASSWORD"] == "p@ss"
