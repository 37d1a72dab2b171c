"""P5, log structure consistency: each request has a line, by the schema and without a value.

Everything that a client sends here holds a canary: a password, a token, an address, a search term.
None of them may occur anywhere in the log of the process.
"""

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import faults_api
from tests.support.bookstore import (
    Process,
    apply_schema,
    environment,
    run_command,
    wait_for,
)
from tests.support.examples import scaled
from tests.support.log_lines import access_lines, validated
from tests.support.postgres import OwnPostgres
from tests.support.raw import Answer, RawRequest, ask

BOOKS = "/api/v1/books"
SOURCE = "127.0.0.77"  # the address that the clients have
PASSWORD = "canary-pass-word"
STAFF_TOKEN = "canary-of-the-staff-0123456789abcdef"
ISBN = "9780441478125"
CANARIES = (
    PASSWORD,
    "canary.reader@example.org",
    "eyJjYW5hcnkiOiJ5ZXMifQ.canary.c2ln",
    "the canary sings",
    "198.51.100.77",
    "2001:db8::ca7a",
    "4929123456789012",
    "+49 1555 0142857",
    STAFF_TOKEN,
    ISBN,
)
# What to look for, of which each canary has at least one.
NEEDLES = ("canary", "198.51.100", "2001:db8", "4929123", "0142857", ISBN, SOURCE, "y2fuyxj5")


def leaks(text: str) -> list[str]:
    """Return the lines of a log that contain a canary."""
    return [line for line in text.splitlines() if any(needle in line.lower() for needle in NEEDLES)]


UNUSED_HEADERS = (
    b"authorization", b"cookie", b"user-agent", b"referer", b"x-forwarded-for", b"forwarded",
    b"if-match", b"origin", b"accept", b"content-type", b"host", b"tracestate", b"x-canary",
)  # fmt: skip
BOOK = '{{"isbn": "{}", "title": "{}", "authors": ["{}"], "price": {{"amount": "{}"}}}}'
TO_WRITE = (
    (b"content-type", b"application/json"),
    (b"authorization", b"Bearer " + STAFF_TOKEN.encode()),
)


canaries = st.sampled_from(CANARIES)
texts = st.builds("{}{}{}".format, st.text(max_size=5), canaries, st.text(max_size=5))
wire_bytes = st.binary(max_size=20).filter(lambda value: b"\n" not in value and b"\r" not in value)
hexadecimal = st.text("0123456789abcdef", min_size=1, max_size=40).map(str.encode)
traceparents = st.builds(
    b"%b-%b-%b-%b".__mod__,
    st.tuples(
        st.sampled_from([b"00", b"01", b"ff", b"0"]),
        st.sampled_from([b"4bf92f3577b34da6a3ce929d0e0e4736", b"0" * 32]) | hexadecimal,
        st.sampled_from([b"00f067aa0ba902b7", b"0" * 16]) | hexadecimal,
        st.sampled_from([b"01", b"00", b"0", b"zz"]),
    ),
)


def header_values(text: str) -> bytes:
    return text.encode("utf-8").replace(b"\r", b" ").replace(b"\n", b" ")


header_texts = texts.map(header_values)
# No canary alone: a valid id is written.
request_ids = st.one_of(
    hexadecimal,
    wire_bytes,
    canaries.map(lambda canary: f"<{canary}>".encode()),
    st.just(b"canary.reader@example.org"),
    st.just(b"198.51.100.77"),
    st.just(b"canary" * 2000),
)
headers = st.one_of(
    st.tuples(st.sampled_from([b"x-request-id", b"X-Request-ID"]), request_ids),
    st.tuples(st.just(b"traceparent"), traceparents | header_texts | wire_bytes),
    st.tuples(st.just(b"authorization"), header_texts.map(lambda value: b"Bearer " + value)),
    st.tuples(st.sampled_from(UNUSED_HEADERS), header_texts | wire_bytes),
    st.sampled_from(
        [
            (b"expect", b"100-continue"),
            (b"connection", b"close"),
            (b"upgrade", b"canary/2"),
            (b"connection", b"upgrade"),
            (b"authorization", b"Bearer " + STAFF_TOKEN.encode()),
            (b"content-type", b"application/json"),
            (b"x-injected", b"yes\r\nx-request-id: canary@example.org"),
            (b"x-injected", b'yes\r\n{"event": "canary"}'),
            (b"x-injected", b"yes\ncanary"),
            (b"ca nary", b"no name of a header"),
            (b"", b"canary"),
        ]
    ),
)


def filled(template: str) -> st.SearchStrategy[bytes]:
    """Fill a target with what is drawn."""
    return texts.map(lambda text: template.format(quote(text)).encode())


sound_targets = st.one_of(
    st.just(BOOKS.encode()),
    filled(BOOKS + "?isbn={0}&after={0}"),
    filled(BOOKS + "?limit={0}"),
    filled(BOOKS + "?q={0}&password={0}&limit=1"),
    filled(BOOKS + "/{0}"),
    filled("/{0}/{0}?{0}"),
    filled("/docs?{0}"),
    filled("/openapi.json?{0}"),
)
targets = sound_targets | st.one_of(
    filled("http://{0}/api/v1/books?{0}"),
    filled(BOOKS + "#{0}"),
    filled("{0}"),
    st.sampled_from([b"*", b"/%00canary", b"/%ff%fecanary", b"/canary%0d%0aa", b"/\xffcanary"]),
)
books = st.builds(
    BOOK.replace('"}}}}', '", "currency": "EUR"}}}}').format,
    st.just(ISBN) | canaries,
    canaries,
    canaries,
    st.just("1.00") | canaries,
).map(str.encode)
bodies = books | texts.map(str.encode) | st.binary(max_size=40).map(lambda sent: b"canary" + sent)
methods = st.sampled_from(
    [b"GET", b"POST", b"PATCH", b"DELETE", b"PUT", b"HEAD", b"OPTIONS", b"PROPFIND", b"CANARY"]
)
anything = st.builds(
    RawRequest, methods, targets, st.lists(headers, max_size=5).map(tuple), bodies | st.just(b"")
)
new_books = st.builds(
    RawRequest, st.just(b"POST"), st.just(BOOKS.encode()), st.just(TO_WRITE), books
)


def fault(name: str, sent: str) -> RawRequest:
    """Make a request whose route fails with what is sent."""
    target = f"{faults_api.PATH}/{name}"
    if name == "in-a-synchronous-route":
        target += "/" + quote(sent, safe="")
    return RawRequest(b"POST", target.encode(), body=sent.encode())


faults = st.builds(fault, st.sampled_from(faults_api.NAMES), texts)
# Outcomes that what is drawn may miss: what is no HTTP, no method, and none that the path takes.
REJECTED = (
    RawRequest(b"GET", BOOKS.encode(), ((b"ca nary", b"no name of a header"),)),
    RawRequest(b"CANARY", BOOKS.encode()),
    RawRequest(b"PUT", f"{BOOKS}?isbn={ISBN}".encode()),
)
# What goes over one connection in one go: a few that end well, or one that may end it.
exchanges = st.one_of(
    st.lists(
        new_books | st.builds(RawRequest, st.just(b"GET"), sound_targets), min_size=2, max_size=4
    ),
    st.lists(anything | new_books | faults, min_size=1, max_size=1),
)


def is_of_an_answer(line: dict[str, Any]) -> bool:
    """Whether a line is about the answer to a request."""
    return bool(access_lines([line])) or line["event"] == "request rejected"


@dataclass
class World:
    """A server, and what it has logged so far."""

    process: Process
    read: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def more(self) -> list[dict[str, Any]]:
        """Read the lines that are new; each must follow the schema and hold no canary."""
        fresh = self.process.raw_lines()[self.read :]
        self.read += len(fresh)
        assert leaks("\n".join(fresh)) == []
        parsed = validated(fresh, held_back=True)
        self.lines += parsed
        return parsed

    def send(self, requests: list[RawRequest]) -> None:
        """Send requests on one connection: each that has an answer has a line.

        It is the app's, or the server's where that rejected the request before the app.
        """
        answers = ask(self.process.url, requests, source=SOURCE)
        expected = Counter(answer.request_id for answer in answers if answer.request_id)
        seen: Counter[str] = Counter()

        def all_logged() -> bool | None:
            seen.update(line["request_id"] for line in self.more() if is_of_an_answer(line))
            return seen >= expected or None

        wait_for(all_logged, f"the lines of {expected}")
        assert seen == expected
        self.answers += answers


@pytest.fixture
def database(private_postgres: OwnPostgres) -> str:
    """The URI of a database whose user has a password to find."""
    url = private_postgres.create_database()
    apply_schema(url)
    private_postgres.execute(f"CREATE ROLE canary LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    return f"postgresql://canary:{PASSWORD}@{url.partition('@')[2]}"


@pytest.fixture
def process(database: str, tmp_path: Path) -> Iterator[Process]:
    """A server that logs as much as it can, with routes that fail."""
    env = environment(
        database,
        tmp_path,
        log_level="debug",
        log_format="json",
        revision="7",
        staff_token=STAFF_TOKEN,
        drain_seconds=0,
        rate_limit_reads="off",
        rate_limit_writes="off",
    )
    root = str(Path(__file__).parents[4])
    env |= {"PYTHONWARNINGS": "always", "PYTHONPATH": root}
    process = Process(env, tmp_path, module="tests.support.faults_api")
    try:
        yield process.wait_until_ready()
    finally:
        process.close()


@pytest.mark.hypothesis
def test_any_traffic_gives_lines_by_the_schema_without_values(
    process: Process, private_postgres: OwnPostgres
) -> None:
    assert_that_a_leak_is_detected(process)
    world = World(process, read=len(process.raw_lines()))
    world.send([RawRequest(b"GET", b"/openapi.json")])
    assert world.answers[-1].status == 200
    for name in faults_api.NAMES:
        world.send([fault(name, " ".join(CANARIES))])
    for request in REJECTED:
        world.send([request])
    send_anything(world, examples=scaled(150))
    private_postgres.stop()
    world.send([RawRequest(b"GET", f"{BOOKS}?isbn={ISBN}".encode())])
    send_anything(world, examples=scaled(30))
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    world.more()
    assert_that_all_outcomes_occurred(world)


def send_anything(world: World, *, examples: int) -> None:
    """Send what Hypothesis draws."""

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(exchanges)
    def send(requests: list[RawRequest]) -> None:
        world.send(requests)

    send()


def assert_that_a_leak_is_detected(process: Process) -> None:
    """Misuse the only field of free text, as a careless change might."""
    for canary in CANARIES:
        ask(process.url, [fault("leak", canary)], source=SOURCE)
    wait_for(
        lambda: len(access_lines(process.lines())) == len(CANARIES) or None, "the lines of all"
    )
    assert len(leaks("\n".join(process.raw_lines()))) == len(CANARIES)


def assert_that_all_outcomes_occurred(world: World) -> None:
    """Check that the traffic had every kind of answer and of event."""
    statuses = Counter(answer.status for answer in world.answers)
    assert {200, 400, 404, 405, 418, 422, 500, 501, 503} <= statuses.keys(), statuses
    events = Counter(line["event"] for line in world.lines)
    logged = events["request"] + events["request rejected"]
    assert logged == sum(1 for answer in world.answers if answer.request_id)
    assert {
        "draining", "stopped", "unhandled exception", "database unavailable",
        "uncaught exception in a thread", "exception that could not be raised", "Python warning",
        "Task exception was never retrieved", "Exception in callback", "could not find …",
        "fields", "in a thread", "request rejected",
    } <= events.keys()  # fmt: skip
    held_back = [line for line in world.lines if "dropped" in line]
    assert {line["event"] for line in held_back} == {"fields"}
    assert {line["revision"] for line in world.lines} == {"7"}


def test_every_command_logs_by_the_schema(empty_url: str, tmp_path: Path) -> None:
    env = environment(empty_url, tmp_path, log_level="debug", log_format="json", drain_seconds=0)

    def run(*arguments: str) -> set[str]:
        ended = run_command(*arguments, env=env, cwd=tmp_path)
        assert ended.code == 0, ended
        return {line["logger"] for line in validated(ended.errors.splitlines())}

    migrating = {"bookstore_api.db.schema.steps", "alembic.runtime.migration"}
    assert migrating <= run("migrate", "--to", "contract")
    run("check-schema")
    process = Process(env, tmp_path).wait_until_ready()
    try:
        run("smoke", "--url", process.url)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        process.close()
    lines = validated(process.raw_lines())
    assert {"serving", "draining", "stopped"} <= {line["event"] for line in lines}
    of_the_smoke_test = {line["request_id"] for line in access_lines(lines)}
    assert len(of_the_smoke_test) == 1  # passed on with each of its requests


def test_a_failing_command_logs_no_value(tmp_path: Path) -> None:
    url = f"postgresql://canary:{PASSWORD}@127.0.0.1:9/canary"
    env = environment(url, tmp_path, log_level="debug", log_format="json")
    for arguments in (("migrate", "--to", "expand"), ("check-schema",)):
        ended = run_command(*arguments, env=env, cwd=tmp_path)
        assert ended.outcome["code"] == "unreachable"
        validated(ended.errors.splitlines())
        assert leaks(ended.errors + ended.output) == []
