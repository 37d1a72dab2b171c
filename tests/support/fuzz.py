"""Fuzzes the API as it is served, by what its OpenAPI says and by what that forbids.

Run it by `scripts/fuzz`; CI runs a small number of cases as a test.
"""

import argparse
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bookstore_api.db.schema.tree import Branch
from tests.support.bookstore import Process, apply_schema, environment, execute
from tests.support.postgres import own_postgres

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("schemathesis.toml")
DATABASES = ("sqlite", "postgresql")
# Left out are the checks of what a description can't say: which ISBN is one, which cursor is ours.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ignored_auth",
    "errors_are_problems",
    "answers_have_what_all_have",
)
TOKEN = secrets.token_urlsafe(32)
SETTINGS = {"rate_limit_reads": "off", "rate_limit_writes": "off", "staff_token": TOKEN}
ROUND_EXAMPLES = 500  # of each operation, before the books are deleted


@dataclass(frozen=True)
class Round:
    """How a run of Schemathesis went: `output` is for people."""

    cases: int
    passed: bool
    output: str


def fuzz(url: str, folder: Path, *, examples: int, seed: int) -> Round:
    """Fuzz an API that runs with SETTINGS, with so many examples of each operation."""
    report = folder / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
            *("run", f"{url}/openapi.json"),
            *("--checks", ",".join(CHECKS), "--max-examples", str(examples), "--seed", str(seed)),
            *("--header", f"Authorization: Bearer {TOKEN}"),
            *("--generation-database", "none", "--continue-on-failure", "--no-color"),
            *("--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "30"),
            *("--report", "json", "--report-json-path", str(report)),
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.support.fuzz_hooks",
        },
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    summary: dict[str, Any] = (
        json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    )
    cases = summary.get("test_cases", {}).get("generated", 0)
    return Round(cases, passed=done.returncode == 0, output=done.stdout + done.stderr)


def faults_of(process: Process) -> list[str]:
    """Return the lines of its log that tell of an internal error."""
    return [
        json.dumps(line)
        for line in process.lines()
        if line["level"] == "error" or line.get("status", 0) >= 500
    ]


@contextmanager
def _migrated(database: str, folder: Path) -> Iterator[str]:
    """Make a database with the whole schema; its URI."""
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'books.db'}"
        if database == "postgresql":
            url = stack.enter_context(own_postgres()).create_database()
        apply_schema(url)
        apply_schema(url, Branch.CONTRACT)
        yield url


def run(database: str, cases: int, seed: int) -> bool:
    """Fuzz on a database until there were so many cases or a failure; whether all passed."""
    done, began = 0, time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="bookstore-fuzz-") as name,
        _migrated(database, Path(name)) as url,
    ):
        folder = Path(name)
        process = Process(environment(url, folder, **SETTINGS), folder)
        try:
            process.wait_until_ready()
            while done < cases:
                execute(url, "DELETE FROM books")
                examples = min(ROUND_EXAMPLES, max(10, (cases - done) // 10))
                result = fuzz(process.url, folder, examples=examples, seed=seed)
                done += result.cases
                faults = faults_of(process)
                seconds = time.monotonic() - began
                print(f"fuzz: {database}: {done:,} of {cases:,} cases, {seconds:.0f} s", flush=True)
                if not result.passed or faults:
                    print(result.output, *faults, f"The seed was {seed}.", sep="\n")
                    return False
                seed += 1
        finally:
            process.close()
    return True


def main() -> None:
    """Run it as a command."""
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description="Fuzz the API, served by a real process on a real database, with Schemathesis.",
        epilog="Exit codes: 0 all passed, 1 something failed; the output says how to repeat it.",
    )
    parser.add_argument("cases", type=int, nargs="?", default=2000, help="at least (2000)")
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--seed", type=int, help="of the first round; each takes the next (random)")
    arguments = parser.parse_args()
    databases = DATABASES if arguments.database == "both" else (arguments.database,)
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed  # noqa: S311 - no secret
    share = -(-arguments.cases // len(databases))
    passed = [run(database, share, seed) for database in databases]  # all of them, come what may
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
