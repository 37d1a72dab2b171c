"""Run pytest as CI does: a test that fails is run once more, alone, when all others have ended.

    python -m tests.support.flaky PYTEST-ARGUMENTS

If it passes then, it is flaky: the run passes, says so under that heading, and adds the test to
.test-output/flaky.txt, which CI keeps. A test marked `invariant` is never run again: what it
counts must hold each time. Neither is anything where many fail, for that is no flake.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

OUTPUT = Path(".test-output")
FLAKY = OUTPUT / "flaky.txt"
FAILURES = OUTPUT / "failures.json"
RUN_AGAIN_AT_MOST = 10
"""Failures; tests that fail for one reason, such as a server that did not start, count as one."""
TESTS_AGAIN_AT_MOST = 200
SUMMARY_CHARACTERS = 300


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that `main` hands to its two runs."""
    group = parser.getgroup("flaky")
    group.addoption("--failures", type=Path, help="Write which tests failed, and why, to a file.")
    group.addoption("--again", action="store_true", help="Refuse tests marked `invariant`.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse to run a test of an invariant again."""
    invariant = [item.nodeid for item in items if item.get_closest_marker("invariant")]
    if config.getoption("--again") and invariant:
        names = ", ".join(invariant)
        raise pytest.UsageError(f"marked `invariant`, so never run again: {names}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write down which tests failed; each with the first line of its first failure."""
    if file := config.getoption("--failures"):
        failures: dict[str, str] = {}
        for kind in ("failed", "error"):
            for report in terminalreporter.getreports(kind):
                failures.setdefault(report.nodeid, _summary_of(report))
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(failures))


def _summary_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = (crash.message if crash else report.longreprtext).strip().splitlines()
    return next(iter(lines), "")[:SUMMARY_CHARACTERS]


def main(arguments: Sequence[str]) -> int:
    """Run pytest, then once more what failed. Return pytest's exit code, 0 for flaky tests only."""
    FAILURES.unlink(missing_ok=True)
    code = _run_pytest(*arguments, f"--failures={FAILURES}")
    if code != pytest.ExitCode.TESTS_FAILED or not FAILURES.exists():
        return code
    failures: dict[str, str] = json.loads(FAILURES.read_text())
    reasons = len(set(failures.values()))
    if not 0 < reasons <= RUN_AGAIN_AT_MOST or len(failures) > TESTS_AGAIN_AT_MOST:
        print(
            f"{len(failures)} tests failed for {reasons} reasons; up to {TESTS_AGAIN_AT_MOST}"
            f" would be run again for up to {RUN_AGAIN_AT_MOST} reasons."
        )
        return code
    print(f"\nOnce more, alone: {', '.join(failures)}", flush=True)
    if _run_pytest("--again", *failures) != pytest.ExitCode.OK:
        return code
    flaky = [f"{test}: {summary}\n" for test, summary in failures.items()]
    print("\n=== flaky: passed when run again", *flaky, sep="\n", end="")
    with FLAKY.open("a") as file:
        file.writelines(flaky)
    return pytest.ExitCode.OK


def _run_pytest(*arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.flaky", *arguments]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
