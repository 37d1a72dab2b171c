"""Hooks for every tier: the summary says which tiers ran, and CI accepts no skip."""

import itertools
import os
import signal
from collections import Counter
from collections.abc import Generator, Sequence
from typing import TypeVar

import pytest

pytest.register_assert_rewrite("tests.support.quiet")
T = TypeVar("T")
TIERS = ("golden", "scenario", "api", "backup", "devcluster", "cluster", "e2e")
SKIPS_FAIL = any(os.environ.get(name, "").lower() in {"1", "true"} for name in ("CI", "NIGHTLY"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that the Makefile uses."""
    parser.addoption("--nightly", action="store_true", help="Also run the tests marked `nightly`.")
    parser.addoption(
        "--longest-first",
        action="store_true",
        help="Run tests in the order of their timeouts, for few long tests and `--dist load`.",
    )


def pytest_configure() -> None:
    """Let what tests start be interrupted: a shell starts its background jobs without SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip for a missing part is a failure: a tier must not vanish unseen."""
    report = yield
    if SKIPS_FAIL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {reason}"
    return report


@pytest.hookimpl(trylast=True)  # when `-m` has chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker begin with its share of what waits longest: others run meanwhile.

    That is what has a longer timeout than the rest, which keeps its order: tests of a module share
    what is slow to make. xdist's `worksteal` hands each worker a part of the list to begin with.
    """
    if not config.getoption("--nightly"):
        left_out = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    if config.getoption("--longest-first"):
        items.sort(key=_timeout_of, reverse=True)
        return
    usual = float(config.getini("timeout"))
    long = sorted((i for i in items if _timeout_of(i) > usual), key=_timeout_of, reverse=True)
    rest = [item for item in items if _timeout_of(item) <= usual]
    items[:] = deal(long, rest, getattr(config, "workerinput", {}).get("workercount", 1))


def deal(long: Sequence[T], rest: Sequence[T], workers: int) -> list[T]:
    """Order tests so that each worker's part of them begins with its share of the long ones.

    xdist cuts the list into parts of one size, the later ones longer by one where it must.
    """
    left = iter(rest)
    dealt: list[T] = []
    for number in range(workers):
        share = long[number::workers]
        size = (len(long) + len(rest) + number) // workers
        dealt += [*share, *itertools.islice(left, max(0, size - len(share)))]
    return [*dealt, *left]


def _timeout_of(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0.0


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
        counted = ", ".join(f"{n} {outcome}" for outcome, n in counts[tier].items()) or "not run"
        terminalreporter.write_line(f"{tier:<11} {counted}  ({seconds[tier]:.1f} s of tests)")
