"""What a backup costs: memory that does not grow, and little more time than pg_dump alone."""

import pytest

from tests.bench.backup import GOAL_DUMP, GOAL_WHOLE, MORE_MEMORY_MB, measure
from tests.support.postgres import OwnPostgres


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_a_large_database_takes_no_more_memory_and_no_undue_time(server: OwnPostgres) -> None:
    small, large = measure(server, 10), measure(server, 1000)
    assert large["memoryMB"] <= small["memoryMB"] + MORE_MEMORY_MB
    assert large["dumpRatio"] <= GOAL_DUMP
    assert large["wholeRatio"] <= GOAL_WHOLE
