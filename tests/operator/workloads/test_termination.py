"""What a real PostgreSQL says when it does not start is understood."""

from __future__ import annotations

import pytest

from bookstore_operator.workloads.termination import other_version, termination_summary
from tests.support.postgres import PostgresMissingError, own_postgres

pytestmark = pytest.mark.scenario


def test_data_of_another_major_version_is_recognized() -> None:
    try:
        with own_postgres() as server:
            server.stop()
            server.claim_version("12")
            with pytest.raises(RuntimeError) as refused:
                server.start()
    except PostgresMissingError as missing:
        pytest.skip(str(missing))
    log = str(refused.value).removeprefix("PostgreSQL does not start: ")
    versions = other_version(log)
    assert versions is not None
    made_by, running = versions
    assert made_by == "12"
    assert int(running.partition(".")[0]) > 12
    assert termination_summary(log) == "FATAL:  database files are incompatible with server"
