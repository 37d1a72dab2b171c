"""P5, log structure consistency: each line's form, and no value in any, without a server."""

import ast
import contextlib
import io
import json
import logging
import math
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError

import bookstore_api
from bookstore_api.settings import Settings
from bookstore_api.telemetry import pseudonyms
from bookstore_api.telemetry.logging import lines as logs
from bookstore_api.telemetry.logging import schema_text
from bookstore_api.telemetry.logging.schema import make_validator
from bookstore_api.telemetry.logging.tracebacks import MAX_CHARACTERS, describe_exception
from bookstore_api.telemetry.request_state import RequestState, working_for
from tests.support.bookstore import environment, run_command
from tests.support.examples import scaled
from tests.support.log_lines import SCHEMA, VALIDATOR, logging_to, validated

REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "logs.md"
SOURCES = Path(bookstore_api.__file__).parent
VALUE = "canary@example.org"
E = TypeVar("E", bound=BaseException)
LogTo = Callable[..., io.StringIO]
log = structlog.stdlib.get_logger("test")


@pytest.fixture
def log_to() -> Iterator[LogTo]:
    """Log to a stream with settings; the process's own logging is restored after."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(logging_to(**settings))


def only_line(stream: io.StringIO) -> dict[str, Any]:
    """Parse the one line there is, by the schema."""
    (line,) = validated(stream.getvalue().splitlines(), held_back=True)
    return line


def raised(error: E) -> E:
    """Give an exception a traceback."""
    with contextlib.suppress(BaseException):
        raise error
    return error


class Age(BaseModel):
    age: int


def validation_error() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Age.model_validate({"age": VALUE})
    return caught.value


def test_the_schema_is_valid_and_closed() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["additionalProperties"] is False


def test_a_command_prints_the_schema(tmp_path: Path) -> None:
    ended = run_command("log-schema", env=environment(None, tmp_path), cwd=tmp_path)
    assert (ended.code, ended.output) == (0, schema_text())


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["ready", "GET", "0" * 16, "GET\n", "/api/v1/books", "http://127.0.0.1:8000"])
    | st.sampled_from([0, 100, 499, 599, 600, 10**400, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


# In Python `$` matches before a final newline, too; elsewhere, as in the validator, it does not.
STRICT: dict[str, Any] = json.loads(schema_text().replace('$"', r'\\Z"'))
FIELDS = {name: {"$defs": STRICT["$defs"], **part} for name, part in STRICT["properties"].items()}
VALIDATORS = {name: Draft202012Validator(part) for name, part in FIELDS.items()}


@settings(max_examples=scaled(500))
@given(name=st.sampled_from(sorted(FIELDS)), value=VALUES)
@example(name="revision", value="\n")
@example(name="request_id", value="r-1\n")
def test_the_validator_allows_what_the_schema_allows(name: str, value: Any) -> None:
    valid = VALIDATORS[name].is_valid(value)
    if isinstance(value, float):
        # Neither NaN and infinity, which are no JSON, nor 1.0 as an integer.
        valid &= math.isfinite(value) and FIELDS[name].get("type") != "integer"
    if isinstance(value, int) and not isinstance(value, bool):
        valid &= abs(value) < sys.float_info.max  # many readers of JSON take no larger ones
    assert make_validator().isinstance_python({name: value}) == valid


@given(
    event=st.text() | st.none() | st.integers(),
    fields=st.dictionaries(
        st.sampled_from(
            [*SCHEMA["properties"], "email", "", "number", "exc_info", "stack_info"]
        ).filter(lambda name: name != "event"),
        VALUES,
        max_size=4,
    ),
)
@example(event="one\u2028line\x85", fields={"folder": "/a\u2028b"})
def test_any_call_gives_a_line_by_the_schema(event: Any, fields: Any) -> None:
    stream = io.StringIO()
    logger = logs.Logger("test", [], {})
    logger.output = logs.Output(Settings.model_validate({"log_format": "json"}), stream)
    logger.warning(event=event, **fields)
    (text,) = stream.getvalue().splitlines()
    assert VALIDATOR.is_valid(json.loads(text))


def test_a_field_outside_the_schema_is_held_back_and_counted(log_to: LogTo) -> None:
    stream = log_to()
    log.info("done", email=VALUE, reason=VALUE, status="200", level=VALUE, ready=True, error=None)
    line = only_line(stream)
    assert VALUE not in stream.getvalue()
    assert (line["dropped"], line["ready"]) == (4, True)
    assert {"email", "reason", "status", "error"}.isdisjoint(line)


def test_lines_below_the_level_are_not_written(log_to: LogTo) -> None:
    stream = log_to(log_level="warning")
    log.info("quiet")
    logging.getLogger("some.library").info("quiet")
    log.warning("loud")
    assert only_line(stream)["event"] == "loud"


@pytest.mark.parametrize(
    ("logger", "message", "args", "event"),
    [
        ("alembic.runtime.migration", "Running %s", ("upgrade",), "Running upgrade"),
        ("uvicorn.error", "Invalid HTTP request received.", (), "Invalid HTTP request received."),
        ("uvicorn.error", "Exception in ASGI application\n", (), "Exception in ASGI application"),
        ("uvicorn.error", f"Traceback (most recent call last):\n  {VALUE}", (), "…"),
        ("uvicorn.error", "Cancel %s running task(s)", (3,), "Cancel 3 running task(s)"),
        ("uvicorn.error", "None, but returned '%s'.", (VALUE,), "None, but returned '…'."),
        ("uvicorn.error", OSError(VALUE), (), "(OSError)"),
        ("asyncio", f"Exception in callback {VALUE}", (), "Exception in callback"),
        ("asyncio", f"Fatal error on <{VALUE}>", (), "Fatal error"),
        ("asyncio", f"an unlisted text {VALUE}", (), "…"),
        ("asyncio", "%s took %.3f seconds", (VALUE, 0.25), "… took 0.250 seconds"),
        ("sqlalchemy.pool.impl", f"Exception during reset <{VALUE}>", (), "…"),
        ("some.library", "as it stands in here", (), "…"),
        ("some.library", f"no such user: {VALUE}", (), "…"),
        ("some.library", "no such user: %s", (VALUE,), "no such user: …"),
        ("some.library", "no such user: %r", (VALUE,), "no such user: …"),
        ("some.library", "card %d", (4929123456789012,), "card %d"),
        ("some.library", "card %s", (4929123456789012,), "card …"),
        ("some.library", "user %(name)s", ({"name": VALUE},), "user …"),
        ("some.library", "%d of %d", (1, 2, 3), "%d of %d"),
        ("uvicornish", VALUE, (), "…"),
        ("a logger with spaces", VALUE, (), "…"),
    ],
)
def test_no_value_of_a_librarys_message_is_logged(
    log_to: LogTo, logger: str, message: Any, args: Any, event: str
) -> None:
    stream = log_to(revision="7")
    logging.getLogger(logger).error(message, *args, extra={"email": VALUE})
    line = only_line(stream)
    assert VALUE not in stream.getvalue()
    assert line.pop("time").endswith("Z")
    assert line.pop("source").startswith("tests/api/telemetry/logging/test_logs.py:")
    assert line == {
        "event": event,
        "level": "error",
        "logger": "unnamed" if " " in logger else logger,
        "color": "blue",
        "revision": "7",
    }


def test_debug_shows_sql_statements_and_never_rows(log_to: LogTo) -> None:
    stream = log_to(log_level="debug")
    engine = logging.getLogger("sqlalchemy.engine.Engine")
    engine.info("SELECT *\nFROM books WHERE isbn = ?")
    engine.info("[%s] %r", "generated in 0.1 s", (VALUE,))
    engine.debug("Row %r", (VALUE,))
    events = [line["event"] for line in validated(stream.getvalue().splitlines())]
    assert events == ["SELECT * FROM books WHERE isbn = ?", "[…] …"]


def failures() -> Iterator[BaseException]:
    """Exceptions of the kinds that show values."""
    yield ValueError(VALUE)
    yield KeyError(VALUE)
    yield validation_error()
    yield UnicodeDecodeError("utf-8", VALUE.encode(), 0, 1, VALUE)
    yield asyncpg.PostgresError.new({"C": "22P02", "M": VALUE, "D": VALUE, "H": VALUE})
    yield IntegrityError("INSERT", {"email": VALUE}, ValueError(VALUE))
    yield FileNotFoundError(2, VALUE, VALUE)
    yield OSError(VALUE, VALUE)
    yield ExceptionGroup(VALUE, [ValueError(VALUE), ExceptionGroup(VALUE, [KeyError(VALUE)])])
    yield BaseExceptionGroup(VALUE, [KeyboardInterrupt(VALUE)])
    noted = ValueError(VALUE)
    noted.add_note(VALUE)
    yield noted
    cause, effect = ValueError(VALUE), RuntimeError(VALUE)
    cause.__context__, effect.__cause__ = KeyError(VALUE), cause
    yield effect
    one, other = ValueError(VALUE), ValueError(VALUE)
    one.__cause__, other.__cause__ = other, one
    yield one


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("error", list(failures()), ids=lambda error: type(error).__name__)
def test_a_traceback_shows_no_values(log_to: LogTo, log_format: str, error: BaseException) -> None:
    stream = log_to(log_format=log_format)
    log.error("failed", exc_info=raised(error))
    logging.getLogger("some.library").error("failed", exc_info=error)
    written = stream.getvalue()
    assert type(error).__name__ in written
    assert "in raised" in written
    assert "canary" not in written


def test_a_traceback_shows_files_types_and_codes() -> None:
    try:
        try:
            raise sqlite3.OperationalError(VALUE)
        except sqlite3.OperationalError as error:
            fields = {"C": "23505", "M": VALUE, "n": "books_isbn_key"}
            raise asyncpg.PostgresError.new(fields) from error
    except asyncpg.PostgresError:
        try:
            raise ConnectionRefusedError(111, VALUE)
        except ConnectionRefusedError as error:
            text = re.sub(r"line \d+", "line N", describe_exception(error))
    frame = '  File "tests/api/telemetry/logging/test_logs.py", line N, '
    here = frame + "in test_a_traceback_shows_files_types_and_codes"
    assert text.splitlines() == [
        "Traceback (most recent call last):",
        here,
        "sqlite3.OperationalError",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "Traceback (most recent call last):",
        here,
        "asyncpg.exceptions.UniqueViolationError (sqlstate=23505, constraint_name=books_isbn_key)",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        here,
        "ConnectionRefusedError (errno=ECONNREFUSED)",
    ]


def test_a_group_shows_its_members() -> None:
    group = ExceptionGroup(VALUE, [raised(ValueError(VALUE)), OSError(5, VALUE)])
    text = describe_exception(group)
    assert "  1 of 2:\n    Traceback (most recent call last):\n      File " in text
    assert "  2 of 2:\n    Traceback (most recent call last):\n    OSError (errno=EIO)" in text


def test_a_traceback_is_limited() -> None:
    def deeper(depth: int) -> None:
        deeper(depth + 1)

    with pytest.raises(RecursionError) as recursion:
        deeper(0)
    assert "more left out)" in describe_exception(recursion.value)
    error: Exception = recursion.value
    for _ in range(20):
        error = ExceptionGroup(VALUE, [error] * 20)
    assert len(describe_exception(error)) < MAX_CHARACTERS + 100
    for _ in range(100):
        error, cause = ValueError(VALUE), error
        error.__cause__ = cause
    assert len(describe_exception(error).splitlines()) < 100


def test_an_exception_that_fails_to_be_described_is_named(log_to: LogTo) -> None:
    class BrokenError(Exception):
        @property
        def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
            raise RuntimeError(VALUE)

    stream = log_to()
    log.error("failed", exc_info=BrokenError())
    assert only_line(stream)["exception"].endswith("BrokenError")


def test_a_closed_stream_raises_nothing(log_to: LogTo) -> None:
    stream = log_to()
    stream.close()
    log.info("done")
    logging.getLogger("some.library").error("failed")


def test_lines_have_the_id_of_the_current_request(log_to: LogTo) -> None:
    stream = log_to()
    with working_for(RequestState("r-1")):
        log.info("within")
        logging.getLogger("alembic").warning("within")
    log.info("outside")
    lines = validated(stream.getvalue().splitlines())
    assert [line.get("request_id") for line in lines] == ["r-1", "r-1", None]


def test_processes_with_the_same_staff_token_have_the_same_pseudonyms(
    log_to: LogTo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudonyms._Key, "current", b"another process's")
    secret = tmp_path / "staff" / "token"
    secret.parent.mkdir()
    secret.write_text("a-staff-token", encoding="utf-8")
    log_to(secrets_dir=tmp_path)
    mounted = pseudonyms.pseudonym("192.0.2.1")
    secret.unlink()
    log_to(secrets_dir=tmp_path, staff_token="another")
    assert pseudonyms.pseudonym("192.0.2.1") != mounted
    log_to(secrets_dir=tmp_path, staff_token="a-staff-token")
    assert pseudonyms.pseudonym("192.0.2.1") == mounted
    log_to()  # without a token the key stays
    assert pseudonyms.pseudonym("192.0.2.1") == mounted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("settings", "terminal", "console", "whole_exceptions"),
    [
        ({}, True, True, True),
        ({}, False, False, False),
        ({"debug": False}, True, True, False),
        ({"environment": "staging", "debug": True}, True, False, False),
        ({"environment": "production"}, True, False, False),
        ({"log_format": "json", "debug": True}, True, False, False),
        ({"log_format": "console", "debug": True}, False, True, False),
        ({"log_format": "console", "environment": "production"}, True, True, False),
    ],
)
def test_only_a_terminal_in_development_shows_text_and_whole_exceptions(
    log_to: LogTo, settings: dict[str, Any], terminal: bool, console: bool, whole_exceptions: bool
) -> None:
    log_to()
    stream = Terminal() if terminal else io.StringIO()
    logs.configure_logging(Settings.model_validate(settings), stream=stream)
    log.info("serving", url="http://127.0.0.1:8000")
    plain = re.sub(r"\x1b\[[\d;]*m", "", stream.getvalue())
    assert bool(re.search(r"\[info +\] serving +\[test\] url=http", plain)) == console
    assert plain.startswith("{") != console
    log.error("failed", exc_info=ValueError(VALUE))
    assert (VALUE in stream.getvalue()) == whole_exceptions


UNCAUGHT = f"""
import asyncio, gc, logging, sys, threading, warnings
from bookstore_api.telemetry.logging import install_excepthooks, configure_logging
from bookstore_api.settings import Settings
import uvloop

VALUE = {VALUE!r}
configure_logging(Settings.model_validate({{"log_format": "json"}}), stream=sys.stderr)
install_excepthooks()

def fail(text):
    raise ValueError(text)

class Unraisable:
    def __del__(self):
        fail(VALUE)

async def fail_soon():
    fail(VALUE)

async def main():
    task = asyncio.create_task(fail_soon())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
    asyncio.get_running_loop().call_soon(fail, VALUE)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

warnings.warn(VALUE, UserWarning)
thread = threading.Thread(target=fail, args=(VALUE,))
thread.start()
thread.join()
del thread
Unraisable()
gc.collect()
asyncio.run(main())
uvloop.run(main())
fail(VALUE)
"""


def test_uncaught_exceptions_and_warnings_are_lines(tmp_path: Path) -> None:
    env = environment(None, tmp_path) | {"PYTHONWARNINGS": "always"}
    ended = subprocess.run(
        [sys.executable, "-c", UNCAUGHT],
        check=False, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "canary" not in ended.stderr
    lines = validated(ended.stderr.splitlines())
    of_a_loop = ["Task exception was never retrieved", "Exception in callback"]
    assert [line["event"] for line in lines] == [
        "Python warning",
        "uncaught exception in a thread",
        "exception that could not be raised",
        *of_a_loop,  # asyncio's own
        *of_a_loop,  # uvloop
        "uncaught exception",
    ]
    assert lines[0]["warning"] == "UserWarning"
    assert all(line["exception"].endswith("\nValueError") for line in lines[1:])


def calls_of_loggers() -> Iterator[tuple[str, ast.Call]]:
    """Find every call in our code that writes a line."""
    levels = {"debug", "info", "warning", "error", "critical", "exception"}
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            logger = ast.unparse(node.func.value)
            if node.func.attr in levels and (logger == "log" or "get_logger" in logger):
                yield f"{path.name}:{node.lineno}", node


def is_constant(event: ast.expr) -> bool:
    """Whether it is a text, or one of two."""
    if isinstance(event, ast.IfExp):
        return is_constant(event.body) and is_constant(event.orelse)
    return isinstance(event, ast.Constant) and isinstance(event.value, str)


def test_our_calls_have_constant_events_and_fields_of_the_schema() -> None:
    calls = list(calls_of_loggers())
    assert len(calls) >= 10
    for where, call in calls:
        assert len(call.args) == 1, where
        assert is_constant(call.args[0]), f"{where}: the event is no constant"
        unknown = {keyword.arg for keyword in call.keywords} - {*SCHEMA["properties"], "exc_info"}
        assert not unknown, f"{where}: {unknown} are not in log_schema.json"


def test_the_reference_describes_every_field_as_the_schema_does() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.*) \|$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert dict(rows) == {
        name: part["description"] for name, part in SCHEMA["properties"].items()
    }  # fmt: skip
