"""The most relevant line of a termination message, also of a real PostgreSQL's."""

import pytest

from bookstore_operator.workloads.termination import other_version, termination_summary, volume_full
from tests.support.own_server import ServerMissingError
from tests.support.postgres import own_postgres

pytestmark = pytest.mark.scenario


def test_data_of_another_major_version_is_recognized() -> None:
    try:
        with own_postgres() as server:
            server.stop()
            server.claim_version("12")
            with pytest.raises(RuntimeError) as refused:
                server.start()
    except ServerMissingError as missing:
        pytest.skip(str(missing))
    log = str(refused.value).removeprefix("PostgreSQL does not start: ")
    versions = other_version(log)
    assert versions is not None
    made_by, running = versions
    assert made_by == "12"
    assert int(running.partition(".")[0]) > 12
    assert termination_summary(log) == "FATAL:  database files are incompatible with server"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('{"command": "migrate", "code": "failed", "message": "No."}', "No."),
        ('log\n{"event": "no settings", "level": "error"}', "no settings"),
        ("LOG: a\nFATAL: no room\nLOG: shut down", "FATAL: no room"),
        ("LOG: a\nPANIC: No space left on device\nFATAL: bye", "PANIC: No space left on device"),
        ("2026-11-25 17:36:02.711 UTC [31] FATAL:  no\n", "FATAL:  no"),
        (
            'FATAL:  write to "pg_wal/xlogtemp.20": full',
            'FATAL:  write to "pg_wal/xlogtemp.…": full',
        ),
        ("FATAL:  lock file exists (PID 31)", "FATAL:  lock file exists (PID …)"),
        ("ERROR: server process 412 was killed", "ERROR: server process … was killed"),
        ("Traceback\n  line\nValueError: 7", "ValueError: 7"),
        ("one\ntwo", "two"),
        ("", ""),
    ],
)
def test_the_summary_is_the_most_relevant_line(message: str, words: str) -> None:
    assert termination_summary(message) == words


def test_a_full_volume_is_recognized_by_its_error() -> None:
    assert volume_full('could not extend file "base/5/1": No space left on device')
    assert volume_full("database or disk is full")
    assert not volume_full("no such table")
