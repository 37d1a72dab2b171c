"""What holds for every tier: which tiers ran is said at the end, and CI accepts no skip."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

import pytest

TIERS = ("golden", "scenario", "api", "devcluster", "cluster", "e2e")
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip for a missing part is a failure: a tier must not vanish unseen."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {reason}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits longest (it has a timeout of its own): others run meanwhile.

    Not so in the e2e tier, whose files share what is slow to make.
    """

    def patience(item: pytest.Item) -> float:
        marker = None if item.get_closest_marker("e2e") else item.get_closest_marker("timeout")
        return float(marker.args[0]) if marker else 0.0

    items.sort(key=patience, reverse=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each tier: what ran, how it went and how long it took."""
    counts: dict[str, Counter[str]] = {tier: Counter() for tier in TIERS}
    seconds: Counter[str] = Counter()
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            for tier in TIERS:
                if tier in getattr(report, "keywords", ()):  # a failed collection has none
                    counts[tier][outcome] += 1
                    seconds[tier] += report.duration
    terminalreporter.section("tiers")
    for tier in TIERS:
        told = ", ".join(f"{n} {outcome}" for outcome, n in counts[tier].items()) or "not run"
        terminalreporter.write_line(f"{tier:<11} {told}  ({seconds[tier]:.1f} s of tests)")
