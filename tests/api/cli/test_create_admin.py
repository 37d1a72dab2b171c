"""The first admin is made by a command, with a password from standard input."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.bookstore import command_line, environment, execute

PASSWORD = "correct horse battery"


def create(url: str, folder: Path, *options: str, password: str = PASSWORD) -> tuple[int, Any]:
    """Run the command; its exit code and outcome."""
    log = {"BOOKSTORE_TERMINATION_LOG": str(folder / "termination")}
    done = subprocess.run(
        command_line("create-admin", *options),
        input=password + "\n",
        env=environment(url, folder) | log,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert PASSWORD not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_one_admin_is_made_and_another_only_if_that_is_meant(url: str, tmp_path: Path) -> None:
    ada, bob = ("--email", "ada@example.com"), ("--email", "bob@example.com")
    code, outcome = create(url, tmp_path, *ada, password="short")
    assert (code, outcome["code"]) == (1, "failed")
    assert "password" in outcome["message"]
    assert create(url, tmp_path, *ada)[1]["code"] == "created"
    code, outcome = create(url, tmp_path, *bob)
    assert (code, outcome["code"]) == (1, "failed")
    assert "--another" in outcome["message"]
    assert create(url, tmp_path, *bob, "--another")[0] == 0
    accounts = execute(url, "SELECT email, role FROM accounts ORDER BY email")
    assert accounts == [("ada@example.com", "admin"), ("bob@example.com", "admin")]
    entries = execute(url, "SELECT actor, action FROM audit_log")
    assert entries == [("command", "account.create")] * 2
