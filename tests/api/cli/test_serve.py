"""`bookstore-api serve` as a real process: start, health, logs, an end without lost requests."""

import contextlib
import json
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from bookstore_api.cli.walk import ISBNS, walk_at
from tests.support.bookstore import (
    Process,
    StartProcess,
    apply_schema,
    command_line,
    environment,
    execute,
    run_command,
    wait_for,
    wait_until,
)
from tests.support.migrations import ALL
from tests.support.ports import free_port
from tests.support.postgres import OwnPostgres, query
from tests.support.raw import connect, refuses_connections

BOOKS = "/api/v1/books"


def readiness(process: Process) -> tuple[int, list[str]]:
    answer = process.internal("/readyz")
    return answer.status_code, [reason["code"] for reason in answer.json()["reasons"]]


def test_a_laptop_needs_no_settings(start: StartProcess, tmp_path: Path) -> None:
    process = start(None, drain_seconds=300).wait_until_ready()
    assert (tmp_path / "bookstore.db").exists()
    assert httpx.get(process.url + "/docs").status_code == 200
    serving = next(line for line in process.lines() if line["event"] == "serving")
    assert serving["docs"] == process.url + "/docs"
    process.signal(signal.SIGINT)
    assert process.wait() == 0  # Ctrl-C waits for no drain


def test_the_smoke_test_passes_and_fails(start: StartProcess, url: str, tmp_path: Path) -> None:
    process = start(url).wait_until_ready()
    env = environment(None, tmp_path)
    passed = run_command("smoke", "--url", process.url, env=env, cwd=tmp_path)
    assert (passed.code, passed.outcome["code"]) == (0, "passed")
    assert httpx.get(process.url + BOOKS).json()["items"] == []
    failed = run_command("smoke", "--url", process.internal_url, env=env, cwd=tmp_path)
    assert (failed.code, failed.outcome["code"]) == (1, "failed")
    absent = run_command("smoke", "--url", "http://127.0.0.1:9", env=env, cwd=tmp_path)
    assert (absent.code, absent.outcome["code"]) == (1, "failed")


class Stalling(ThreadingHTTPServer):
    """Passes requests on, but never answers the first that reads one book."""

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), StallingHandler)
        self.target, self.url = target, f"http://127.0.0.1:{self.server_port}"
        self.stalled, self.end = threading.Event(), threading.Event()


class StallingHandler(BaseHTTPRequestHandler):
    server: Stalling
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.command == "GET" and self.path.startswith(f"{BOOKS}/"):
            self.server.stalled.set()
            self.server.end.wait(60)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        kept = {name: self.headers[name] for name in self.headers if name.lower() != "host"}
        answer = httpx.request(
            self.command, self.server.target + self.path, content=body, headers=kept
        )
        with contextlib.suppress(ConnectionError):
            self.send_response(answer.status_code)
            for name in ("content-type", "content-length", "bookstore-revision"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.content if self.command != "HEAD" else b"")

    do_POST = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None: ...


@contextmanager
def stalling(target: str) -> Iterator[Stalling]:
    server = Stalling(target)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.end.set()
        server.shutdown()
        server.server_close()
        thread.join()


def titles(process: Process) -> list[str]:
    return [book["title"] for book in httpx.get(process.url + BOOKS).json()["items"]]


def make_old(url: str) -> None:
    """Let a minute pass for all books."""
    if url.startswith("sqlite"):
        execute(url, "UPDATE books SET created_at = '2020' || substr(created_at, 5)")
    else:
        execute(url, "UPDATE books SET created_at = created_at - interval '1 minute'")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_smoke_test_leaves_nothing_that_the_next_does_not_delete(
    number: signal.Signals, start: StartProcess, url: str, tmp_path: Path
) -> None:
    process = start(url).wait_until_ready()
    env = environment(None, tmp_path)
    with stalling(process.url) as server:
        smoke = subprocess.Popen(
            command_line("smoke", "--url", server.url),
            env=env,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
        )
        assert server.stalled.wait(30)
        assert titles(process) == ["Smoke test"], "it stands between creation and deletion"
        smoke.send_signal(number)
        output, _ = smoke.communicate(timeout=30)
    if number == signal.SIGTERM:
        assert b'"failed"' in output
    else:
        assert titles(process) == ["Smoke test"]
        make_old(url)
        passed = run_command("smoke", "--url", process.url, env=env, cwd=tmp_path)
        assert passed.code == 0, passed.output
    assert titles(process) == []


def test_twenty_smoke_tests_leave_nothing_and_spare_the_books_of_others(
    start: StartProcess, url: str
) -> None:
    process = start(url).wait_until_ready()
    other = {
        "isbn": ISBNS[0],
        "title": "Not ours",
        "authors": ["Somebody"],
        "price": {"amount": "1.00", "currency": "EUR"},
    }
    assert httpx.post(process.url + BOOKS, json=other).status_code == 201
    make_old(url)
    for _ in range(20):
        assert walk_at(process.url).code == "passed"
    assert titles(process) == ["Not ours"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"rate_limit_writes": "2/hour"}, "Listed books only"),
        ({"rate_limit_writes": "2/second"}, "Listed books only"),
        ({"rate_limit_writes": "3/second", "rate_limit_reads": "20/second"}, "Created, read"),
    ],
    ids=["hour", "second", "enough"],
)
def test_the_limits_of_the_shop_fail_no_smoke_test_and_leave_no_book(
    start: StartProcess, url: str, limits: dict[str, str], message: str
) -> None:
    process = start(url, **limits).wait_until_ready()
    outcome = walk_at(process.url)
    assert (outcome.code, message in outcome.message) == ("passed", True), outcome
    wait_until(lambda: titles(process) == [], "the limit of reads to be over", seconds=3)


def test_two_smoke_tests_at_once_pass(start: StartProcess, url: str) -> None:
    process = start(url).wait_until_ready()
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: walk_at(process.url), range(8)))
    assert [outcome.code for outcome in outcomes] == ["passed"] * 8, outcomes
    assert titles(process) == []


def test_the_smoke_test_notices_the_answer_of_another_revision(
    start: StartProcess, url: str, tmp_path: Path
) -> None:
    process = start(url, revision="7").wait_until_ready()
    env = environment(None, tmp_path)
    arguments = ("smoke", "--url", process.url, "--revision")
    assert run_command(*arguments, "7", env=env, cwd=tmp_path).code == 0
    failed = run_command(*arguments, "8", env=env, cwd=tmp_path)
    assert failed.code == 1
    assert "revision 7 has answered where revision 8 was expected" in failed.outcome["message"]


def test_the_smoke_test_of_a_revision_waits_for_the_first_connection(
    start: StartProcess, url: str, tmp_path: Path
) -> None:
    """As after a Service has got its endpoints, which the nodes do not know yet."""
    port = free_port()
    smoke = subprocess.Popen(
        command_line("smoke", "--url", f"http://127.0.0.1:{port}", "--revision=7"),
        env=environment(None, tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )
    start(url, revision="7", port=str(port)).wait_until_ready()
    output, _ = smoke.communicate(timeout=30)
    outcome = json.loads(output.splitlines()[-1])
    assert (smoke.returncode, outcome["code"]) == (0, "passed"), outcome


def test_the_metrics_count_the_connections_of_the_public_port(
    start: StartProcess, url: str
) -> None:
    process = start(url).wait_until_ready()

    def counted() -> str:
        page = process.internal("/metrics").text
        return next(x for x in page.splitlines() if x.startswith("bookstore_http_connections_open"))

    assert counted().endswith(" 0.0"), "the connections of probes and scrapes are not counted"
    with httpx.Client() as first, httpx.Client() as second:
        first.get(process.url + BOOKS)
        second.get(process.url + BOOKS)
        assert counted().endswith(" 2.0")
    wait_until(lambda: counted().endswith(" 0.0"), "the connections to be closed")


def test_the_version_tells_code_and_database(start: StartProcess, url: str) -> None:
    process = start(url, revision="7", color="green", image="shop@sha256:1").wait_until_ready()
    both = list(ALL)
    version = process.internal("/version").json()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version.pop("version"))
    signing_key = version.pop("signingKey")  # a random one, in development
    assert version.pop("signingKeys") == [signing_key]
    assert version == {
        "name": "bookstore-api",
        "revision": "7",
        "color": "green",
        "image": "shop@sha256:1",
        "schema": {"code": both, "database": both},
    }


def test_every_log_line_is_json_and_tells_no_secrets(start: StartProcess, url: str) -> None:
    process = start(url, revision="7", color="green").wait_until_ready()
    httpx.get(f"{process.url}{BOOKS}?after=canary", headers={"x-request-id": "r-1"})
    httpx.post(f"{process.url}{BOOKS}", json={"title": "canary"})
    httpx.get(f"{process.url}/canary")
    process.signal(signal.SIGINT)
    process.wait()
    lines = process.lines()
    assert "canary" not in json.dumps(lines)
    assert {(line["revision"], line["color"]) for line in lines} == {("7", "green")}
    assert all({"time", "level", "event", "logger"} <= line.keys() for line in lines)
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in requests] == [
        ("GET", BOOKS, 422),
        ("POST", BOOKS, 422),
        ("GET", "(unmatched)", 404),
    ]
    assert requests[0]["request_id"] == "r-1"


@pytest.mark.parametrize("place", ["staging", "production"])
def test_outside_of_development_nothing_starts_by_default(place: str, tmp_path: Path) -> None:
    env = environment(None, tmp_path, environment=place)
    ended = run_command("serve", env=env, cwd=tmp_path)
    assert ended.code == 1
    lines = [line.strip() for line in ended.errors.splitlines()]
    for variable, file in (
        ("BOOKSTORE_DATABASE_URL", "database/uri"),
        ("BOOKSTORE_STAFF_TOKEN", "staff/token"),
    ):
        (line,) = [line for line in lines if line.startswith(f"{variable}: ")]
        assert f"{tmp_path}/no-secrets/{file}" in line
    assert "BOOKSTORE_ENVIRONMENT=development" in ended.errors
    assert "Traceback" not in ended.errors
    assert not list(tmp_path.glob("*.db"))


def test_production_migrates_nothing_and_is_not_ready_on_an_old_schema(
    start: StartProcess, private_postgres: OwnPostgres
) -> None:
    url = private_postgres.create_database()
    process = start(
        url,
        environment="production",
        staff_token=secrets.token_hex(32),
        host="127.0.0.1",
        internal_host="127.0.0.1",
    )
    process.wait_until_serving()
    assert readiness(process) == (503, ["schema-behind"])
    assert process.answers("/livez")
    apply_schema(url)
    wait_until(lambda: process.answers("/readyz"), "readiness", seconds=5)


def broken_health(process: Process) -> dict[str, Any] | None:
    """Return the report of all dependencies if a required one is not well."""
    answer = process.internal("/health")
    report: dict[str, Any] = answer.json()
    return report if answer.status_code == 503 else None


def test_a_schema_that_breaks_under_what_serves_takes_no_process_out_of_service(
    start: StartProcess, private_postgres: OwnPostgres
) -> None:
    """Reads are served, `/health` says what is broken, and a new process does not become ready."""
    url = private_postgres.create_database()
    apply_schema(url)
    serving = start(url).wait_until_ready()
    execute(url, "ALTER TABLE books ADD CHECK (false) NOT VALID")
    execute(url, "INSERT INTO alembic_version VALUES ('0099_newer')")
    report = wait_for(lambda: broken_health(serving), "the report of the schema", seconds=10)
    assert report["dependencies"]["schema"]["code"] == "schema-incompatible"
    assert readiness(serving) == (200, ["schema-incompatible"])
    assert httpx.get(serving.url + BOOKS).status_code == 200

    new = start(url).wait_until_serving()
    assert readiness(new) == (503, ["schema-incompatible"])
    assert readiness(serving)[0] == 200


def test_what_is_misspelt_is_told_and_does_not_keep_it_from_starting(start: StartProcess) -> None:
    process = start(None, databse_url="canary").wait_until_serving()
    (line,) = [line for line in process.lines() if line["event"] == "unknown setting"]
    assert (line["variable"], line["closest"]) == (
        "BOOKSTORE_DATABSE_URL",
        "BOOKSTORE_DATABASE_URL",
    )
    assert "canary" not in json.dumps(process.lines())


def test_the_docs_can_be_left_out(start: StartProcess) -> None:
    process = start(None, docs="false").wait_until_serving()
    for path in ("/docs", "/openapi.json"):
        assert httpx.get(process.url + path).status_code == 404


def test_a_port_in_use_is_told(start: StartProcess, url: str, tmp_path: Path) -> None:
    port = start(url).wait_until_serving().url.rpartition(":")[2]
    ended = run_command("serve", env=environment(url, tmp_path, port=port), cwd=tmp_path)
    assert ended.code == 1
    assert "BOOKSTORE_PORT" in ended.errors
    assert "Traceback" not in ended.errors


def test_readiness_follows_the_database(start: StartProcess, private_postgres: OwnPostgres) -> None:
    url = private_postgres.create_database()
    apply_schema(url)
    process = start(url).wait_until_ready()

    def is_now(status: int, reasons: set[str]) -> bool | None:
        began = time.monotonic()
        answer = readiness(process)
        assert time.monotonic() - began < 5
        assert process.answers("/livez")
        return (answer[0] == status and set(answer[1]) <= reasons) or None

    # A restart between two requests costs none of them.
    assert httpx.get(process.url + BOOKS).status_code == 200
    private_postgres.stop()
    private_postgres.start()
    assert httpx.get(process.url + BOOKS).status_code == 200

    private_postgres.stop()
    wait_for(lambda: is_now(503, {"database-unreachable"}), "not ready: stopped")
    assert httpx.get(process.url + BOOKS).status_code == 503
    assert process.internal("/version").json()["schema"]["database"] is None
    private_postgres.start()
    wait_for(lambda: is_now(200, set()), "ready again")
    assert httpx.get(process.url + BOOKS).status_code == 200

    private_postgres.freeze()
    gone = {"database-unreachable", "database-timeout"}
    wait_for(lambda: is_now(503, gone), "not ready: frozen")
    private_postgres.thaw()
    wait_for(lambda: is_now(200, set()), "ready again after the thaw")


def test_a_rotated_password_needs_no_restart(
    start: StartProcess, private_postgres: OwnPostgres, tmp_path: Path
) -> None:
    url = private_postgres.create_database()
    apply_schema(url)
    private_postgres.execute("CREATE ROLE shop LOGIN SUPERUSER PASSWORD 'first'")
    secret = tmp_path / "secrets" / "database" / "uri"
    secret.parent.mkdir(parents=True)
    server = url.partition("@")[2]
    secret.write_text(f"postgresql://shop:first@{server}", encoding="utf-8")
    process = start(None, secrets_dir=tmp_path / "secrets").wait_until_ready()

    private_postgres.execute("ALTER ROLE shop PASSWORD 'second'")
    query(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'")
    wait_until(lambda: readiness(process) == (503, ["database-authentication-failed"]), "rejection")
    secret.write_text(f"postgresql://shop:second@{server}", encoding="utf-8")
    wait_until(lambda: process.answers("/readyz"), "readiness with the new password")
    assert httpx.get(process.url + BOOKS).status_code == 200


@dataclass
class Traffic:
    """Clients that keep connections and that do not, sent where a Service would send them."""

    targets: list[Process]
    done: int = 0
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ready(self) -> Process:
        """The next target: only those that are ready are in the Service."""
        with self.lock:
            self.done += 1
            return self.targets[self.done % len(self.targets)]

    def keep_alive(self) -> None:
        """Use the connection there is until the server says that it closes it."""
        while not self.stop.is_set():
            with httpx.Client(base_url=self.ready().url, timeout=20) as client:
                while not self.stop.is_set():
                    answer = self.ask(client)
                    if answer is None or answer.headers.get("connection") == "close":
                        break
                    with self.lock:
                        self.done += 1

    def fresh(self) -> None:
        """Open a connection for each request."""
        while not self.stop.is_set():
            with httpx.Client(base_url=self.ready().url, timeout=20) as client:
                self.ask(client)

    def ask(self, client: httpx.Client) -> httpx.Response | None:
        try:
            answer = client.get(BOOKS)
        except httpx.HTTPError as error:
            self.failures.append(repr(error))
            return None
        if answer.status_code != 200:
            self.failures.append(f"{answer.status_code}: {answer.text}")
        return answer


@pytest.mark.invariant
def test_stopping_one_of_two_loses_no_request(start: StartProcess, url: str) -> None:
    processes = [start(url, drain_seconds=1.5).wait_until_ready() for _ in range(2)]
    traffic = Traffic(list(processes))
    threads = [threading.Thread(target=traffic.keep_alive) for _ in range(4)]
    threads += [threading.Thread(target=traffic.fresh) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: traffic.done > 300, "traffic")
        leaving, staying = processes
        leaving.signal(signal.SIGTERM)
        wait_until(lambda: readiness(leaving) == (503, ["draining"]), "draining")
        traffic.targets = [staying]  # as the Service does it when readiness goes
        assert leaving.wait() == 0
        before = traffic.done
        wait_until(lambda: traffic.done > before + 100, "traffic after the end")
    finally:
        traffic.stop.set()
        for thread in threads:
            thread.join(30)
    assert traffic.failures == []


@pytest.mark.invariant
def test_a_request_in_flight_is_finished(start: StartProcess, url: str) -> None:
    """Its body arrives after the listening socket has gone."""
    process = start(url, drain_seconds=0, shutdown_seconds=20).wait_until_ready()
    finish = threading.Event()
    body = json.dumps(
        {
            "isbn": "9780132350884",
            "title": "Clean Code",
            "authors": ["Robert C. Martin"],
            "price": {"amount": "1", "currency": "EUR"},
        }
    ).encode()

    def slowly() -> Any:
        yield body[:20]
        finish.wait(30)
        yield body[20:]

    answers: list[httpx.Response] = []
    headers = {"content-type": "application/json"}
    thread = threading.Thread(
        target=lambda: answers.append(
            httpx.post(process.url + BOOKS, content=slowly(), headers=headers, timeout=30)
        )
    )
    thread.start()
    # Its first half has arrived when the process counts it among its connections.
    wait_until(lambda: _established(process), "the request to be in flight")
    process.signal(signal.SIGTERM)
    wait_until(lambda: refuses_connections(process.url), "the listening socket to go")
    finish.set()
    thread.join(30)
    assert [answer.status_code for answer in answers] == [201]
    assert answers[0].headers["connection"] == "close"
    assert process.wait() == 0


@pytest.fixture
def unfinished() -> Iterator[Callable[[Process], socket.socket]]:
    """Begin a request that never ends."""
    connections: list[socket.socket] = []

    def begin(process: Process) -> socket.socket:
        connection = connect(process.url)
        connections.append(connection)
        head = f"POST {BOOKS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
        wait_until(lambda: _established(process), "the request to be in flight")
        return connection

    yield begin
    for connection in connections:
        connection.close()


def test_a_request_without_end_does_not_keep_the_process(
    start: StartProcess, url: str, unfinished: Callable[[Process], socket.socket]
) -> None:
    process = start(url, drain_seconds=0, shutdown_seconds=1).wait_until_ready()
    unfinished(process)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


def test_a_second_signal_hurries(
    start: StartProcess, url: str, unfinished: Callable[[Process], socket.socket]
) -> None:
    process = start(url, drain_seconds=300, shutdown_seconds=300).wait_until_ready()
    unfinished(process)
    process.signal(signal.SIGTERM)
    wait_until(lambda: readiness(process) == (503, ["draining"]), "draining")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


def _established(process: Process) -> bool:
    """Whether anybody is connected to the public port."""
    port = int(process.url.rpartition(":")[2])
    rows = Path(f"/proc/{process.pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    local = f"0100007F:{port:04X}"
    return any(row.split()[1] == local and row.split()[3] == "01" for row in rows)


@pytest.mark.parametrize(
    "arguments", [(), ("serve",), ("migrate",), ("check-schema",), ("config",), ("smoke",)]
)
def test_every_command_explains_itself(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = run_command(*arguments, "--help", env=environment(None, tmp_path), cwd=tmp_path)
    assert ended.code == 0
    assert len(ended.output) > 200
