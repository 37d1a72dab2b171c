"""P5, log structure consistency: the operator's lines follow the schema that the API prints."""

import json
import logging
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bookstore_operator.runtime.logs import make_formatter
from tests.support.log_lines import VALIDATOR, validated

pytestmark = pytest.mark.scenario

JSON, CONSOLE = make_formatter("json"), make_formatter("console")


def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
    """Make a record as the operator's code does."""
    attributes = {"name": "bookstore_operator.test", "levelname": "WARNING", "levelno": 30}
    return logging.makeLogRecord({**attributes, "msg": message, "args": args, **fields})


def failure(text: str) -> dict[str, object]:
    try:
        raise ValueError(text)
    except ValueError:
        return {"exc_info": sys.exc_info()}


def test_a_line_has_the_fields_of_the_record() -> None:
    fields = {"store": "shop/demo", "object": "Service/demo", "reason": "Switched"}
    line = json.loads(JSON.format(record("Hi %s", "you", **fields, color="blue")))
    assert line.pop("time").endswith("Z")
    expected = {"level": "warning", "event": "Hi you", "logger": "bookstore_operator.test"}
    assert line == expected | fields


def test_people_read_time_level_store_object_message_reason_and_exception() -> None:
    fields = {"store": "shop/demo", "object": "Service/demo", "reason": "Switched"}
    line = CONSOLE.format(record("Hi %s", "you", **fields))
    assert line[8:] == " WARNING shop/demo Service/demo Hi you (Switched)"
    text = CONSOLE.format(record("Hi", **failure("broken"))).splitlines()
    assert text[0][8:] == " WARNING Hi"
    assert text[1] == "Traceback (most recent call last):"
    assert text[-1] == "ValueError: broken"


@given(message=st.text(), error=st.none() | st.text(), argument=st.text() | st.integers())
@example(message="%s", error="x" * 20_000, argument="one\nof\x00many\u2028" + "y" * 2000)
@example(message="", error=None, argument=0)
@example(message="\ud800", error="\ud800", argument=0)
def test_any_record_is_one_line_of_the_schema(
    message: str, error: str | None, argument: object
) -> None:
    fields = failure(error) if error is not None else {}
    args = (argument,) if message == "%s" else ()
    (line,) = JSON.format(record(message, *args, **fields, reason="")).splitlines()
    assert VALIDATOR.is_valid(json.loads(line)), line


PROCESS = """
import asyncio, logging, time, warnings
from bookstore_operator.runtime import logs, watchdog

logs.configure("json", "info")
warnings.warn("deprecated")
logging.getLogger("kopf.objects").warning("a\\nlibrary's %s", "words")
logging.getLogger("kopf.objects").info("never")

async def fail():
    raise ValueError("raised in asyncio")

async def main():
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    watchdog._CHECK_SECONDS = 0.01
    dog = watchdog.Watchdog()
    dog.start()
    beating = asyncio.create_task(dog.beat())
    await asyncio.sleep(0)
    time.sleep(60)

asyncio.run(main())
"""


def test_a_process_writes_lines_of_the_schema_until_its_watchdog_ends_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROCESS], capture_output=True, text=True, timeout=60, check=False
    )
    lines = validated(ended.stderr.splitlines())
    assert [(line["logger"], line["event"].split()[0]) for line in lines] == [
        ("py.warnings", "<string>:6:"),
        ("kopf.objects", "a"),
        ("asyncio", "Task"),
        ("bookstore_operator.runtime.watchdog", "The"),
    ]
    assert lines[2]["exception"].endswith("ValueError: raised in asyncio")
    assert (ended.returncode, ended.stdout) == (1, "")
