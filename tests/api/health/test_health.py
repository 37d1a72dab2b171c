"""P4, health accuracy: what the internal port answers, what it waits for, what it never says."""

import asyncio
import os
import re
import sqlite3
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_metrics
from starlette.types import Message

from bookstore_api.db.sessions import open_database
from bookstore_api.health import probe
from bookstore_api.health.checks import DatabaseCheck, DiskCheck, check_free_space, disk_unanswered
from bookstore_api.health.finding import Finding, Findings, State
from bookstore_api.health.probe import Probe
from bookstore_api.settings import Settings
from bookstore_api.shop.domains import self_test
from bookstore_api.web.internal_app import create_internal_app
from bookstore_api.web.resources import open_resources
from tests.support.bookstore import Process, StartProcess, apply_schema, wait_for, wait_until
from tests.support.postgres import query
from tests.support.proxy import running_proxy
from tests.support.valkey import Valkey

BOOKS = "/api/v1/books"
ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024


def samples(process: Process) -> dict[tuple[str, tuple[str, ...]], float]:
    """Scrape a process: values by metric and label values."""
    page = process.internal("/metrics").text
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_metrics(page)
        for sample in family.samples
    }


def dependency(process: Process, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = process.internal("/health").json()["dependencies"][name]
    return entry


# Liveness


def test_liveness_waits_for_nothing(settings: Settings) -> None:
    """The whole answer is given before the first thing that could be waited for."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async def make() -> Any:
        async with open_resources(settings, self_test) as resources:
            return create_internal_app(resources)

    app = asyncio.run(make())
    scope = {"type": "http", "method": "GET", "path": "/livez", "headers": [], "query_string": b""}
    with pytest.raises(StopIteration):  # a coroutine that waited would have given us what for
        app(scope, receive, send).send(None)
    assert [message.get("status") for message in sent] == [200, None]


# One check for many


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the probes' times, a twentieth."""
    for name in ("CACHE_SECONDS", "CHECK_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(probe, name, getattr(probe, name) / 20)


class Dependency:
    """One that can be asked, hang, ignore that it is given up, and break."""

    def __init__(self) -> None:
        self.asked = self.at_once = self.most = 0
        self.free = asyncio.Event()
        self.free.set()
        self.stubborn = False
        self.broken = False

    async def check(self) -> Findings:
        self.asked += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self._answer()
        finally:
            self.at_once -= 1
        return Findings((Finding("it", State.OK, "It answers."),))

    async def _answer(self) -> None:
        if self.broken:
            msg = "secret"
            raise RuntimeError(msg)
        while True:
            try:
                await self.free.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
            else:
                return


def unanswered(code: str, message: str) -> Findings:
    return Findings((Finding("it", State.FAILED, message, code),))


def state(observed: probe.Observed) -> tuple[State, str]:
    return observed.findings.items[0].state, observed.findings.items[0].code


@pytest.mark.usefixtures("hasty")
def test_many_who_ask_share_one_check() -> None:
    async def run() -> None:
        it = Dependency()
        asked = Probe(it.check, unanswered)
        observed = await asyncio.gather(*(asked.observe() for _ in range(50)))
        assert {state(observation) for observation in observed} == {(State.OK, "")}
        assert it.asked == 1

    asyncio.run(run())


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("stubborn", [False, True], ids=["ends when canceled", "does not"])
def test_a_check_that_hangs_keeps_nobody_and_does_not_pile_up(stubborn: bool) -> None:
    async def run() -> None:
        it = Dependency()
        asked = Probe(it.check, unanswered)
        assert state(await asked.observe()) == (State.OK, "")
        it.stubborn = stubborn
        it.free.clear()
        await _expiry(asked)

        async def ask_on() -> None:
            for _ in range(20):
                began = time.monotonic()
                assert state(await asked.observe()) == (State.FAILED, "timeout")
                slept = time.monotonic() - began
                assert slept < probe.ANSWER_SECONDS + 0.1
                await asyncio.sleep(0.01)

        before = len(asyncio.all_tasks())
        await asyncio.gather(*(ask_on() for _ in range(10)))
        assert it.most == 1
        assert len(asyncio.all_tasks()) <= before + 1
        it.free.set()
        await asyncio.sleep(0)
        await _expiry(asked)
        assert state(await asked.observe()) == (State.OK, "")
        await asked.close()

    asyncio.run(run())


async def _expiry(asked: Probe) -> None:
    """Wait until the latest result is too old to be given again."""
    assert asked._latest is not None
    left = asked._latest.ended + probe.CACHE_SECONDS - time.monotonic()
    await asyncio.sleep(max(0.0, left) + 0.001)


@pytest.mark.usefixtures("hasty")
def test_a_check_that_breaks_is_a_failure_and_not_the_last_good_answer() -> None:
    async def run() -> None:
        it = Dependency()
        asked = Probe(it.check, unanswered)
        assert state(await asked.observe()) == (State.OK, "")
        it.broken = True
        await _expiry(asked)
        observed = await asked.observe()
        assert state(observed) == (State.FAILED, "failed")
        assert observed.findings.items[0].message == "Internal error: RuntimeError."

    asyncio.run(run())


@pytest.mark.parametrize(("how", "code"), [("stall", "database-timeout"), ("forget", "")])
def test_a_check_lets_go_of_a_connection_that_went_silent(
    migrated_postgres: str, tmp_path: Path, how: str, code: str
) -> None:
    """Its driver would wait for the server to confirm that the question is taken back.

    Where a new connection works, the check has found nothing wrong.
    """
    port = urlsplit(migrated_postgres).port
    assert port is not None
    with running_proxy(port) as way:
        url = migrated_postgres.replace(f":{port}/", f":{way.port}/")

        async def run() -> None:
            given = {"database_url": url, "secrets_dir": tmp_path / "none"}
            database = open_database(Settings.model_validate(given))
            check = DatabaseCheck(database, self_test)
            while (await check()).items[0].state is State.FAILED:
                """The first one takes longer, on a busy machine too long."""
            getattr(way, how)()
            began = time.monotonic()
            assert (await check()).items[0].code in {code, code or "database-slow"}
            assert time.monotonic() - began < probe.CHECK_SECONDS + 0.3
            way.flow()
            assert (await check()).items[0].state is not State.FAILED
            await database.close()

        asyncio.run(run())


# The report


def test_the_report_tells_all_dependencies(start: StartProcess, url: str, valkey: Valkey) -> None:
    process = start(url, redis_url=valkey.url).wait_until_ready()
    answer = process.internal("/health")
    report = answer.json()
    assert answer.status_code == 200
    assert list(report["dependencies"]) == ["database", "schema", "redis", "disk"]
    assert report["draining"] is False
    for name, observed in report["dependencies"].items():
        assert observed.keys() == {
            "state",
            "required",
            "latency_ms",
            "age_seconds",
            "code",
            "message",
        }
        assert observed["required"] is (name in {"database", "schema"})
        assert observed["state"] in {"ok", "degraded"}
        assert (observed["state"] == "ok") is (observed["code"] is None)
        assert (observed["latency_ms"] is None) is (name == "schema")
        assert 0 <= observed["age_seconds"] <= 3
    assert report["dependencies"]["schema"]["message"] == "The schema is what this code expects."


def test_where_no_redis_is_set_none_is_told(start: StartProcess, url: str) -> None:
    process = start(url).wait_until_ready()
    assert "redis" not in process.internal("/health").json()["dependencies"]
    names = {name for name, _ in samples(process)}
    assert not {name for name in names if "redis" in name}


def test_nothing_on_the_port_tells_secrets(
    start: StartProcess, postgres: Any, valkey: Valkey, tmp_path: Path
) -> None:
    """Neither while all is well (nothing here is) nor when credentials are rejected."""
    canary = "canary-4711"
    rejected = f"postgresql://{canary}:{canary}@{postgres.url('x').partition('@')[2]}"
    absent = f"postgresql://{canary}:{canary}@127.0.0.1:9/{canary}"
    redis = f"redis://{canary}:{canary}@{valkey.url.partition('@')[2]}"
    for database, code in ((rejected, "authentication-failed"), (absent, "unreachable")):
        process = start(database, redis_url=redis).wait_until_serving()
        report = process.internal("/health")
        assert report.status_code == 503
        assert report.json()["status"] == "failed"
        observed = report.json()["dependencies"]
        assert observed["database"]["code"] == f"database-{code}"
        assert (observed["schema"]["state"], observed["schema"]["code"]) == ("unknown", None)
        assert observed["redis"]["code"] == "redis-authentication-failed"
        pages = [process.internal(path) for path in ("/readyz", "/version", "/metrics")]
        text = "".join([report.text, *(page.text for page in pages)])
        assert canary not in text
        assert "127.0.0.1" not in text
        assert str(tmp_path) not in text


def test_redis_is_not_required(start: StartProcess, url: str, private_valkey: Valkey) -> None:
    process = start(url, redis_url=private_valkey.url).wait_until_ready()
    assert samples(process)["bookstore_redis_up", ()] == 1
    private_valkey.stop()

    def unreachable() -> bool:
        redis = dependency(process, "redis")
        return (redis["state"], redis["code"]) == ("failed", "redis-unreachable")

    wait_until(unreachable, "the check to miss Redis", seconds=5)
    report = process.internal("/health")
    assert (report.status_code, report.json()["status"]) == (200, "degraded")
    assert process.internal("/readyz").status_code == 200
    scraped = samples(process)
    assert scraped["bookstore_redis_up", ()] == 0
    assert scraped["bookstore_redis_breaker_open", ()] == 1
    assert scraped["bookstore_dependency_state", ("redis", "failed")] == 1
    assert scraped["bookstore_dependency_state", ("redis", "ok")] == 0
    assert scraped["bookstore_ready", ()] == 1


def test_too_little_room_is_told(start: StartProcess, url: str) -> None:
    process = start(url, disk_min_free_bytes=1024**6).wait_until_ready()
    observed = dependency(process, "disk")
    assert (observed["state"], observed["code"]) == ("degraded", "disk-low")
    assert process.internal("/health").json()["status"] == "degraded"


@pytest.mark.parametrize(
    ("left", "code"),
    [(65 * MIB, ""), (64 * MIB, ""), (63 * MIB, "disk-low"), (MIB - 1, "disk-full")],
)
def test_room_is_judged_by_the_fullest_folder(left: int, code: str) -> None:
    free = {"temporary files": 10**12, "the database": left}
    observed = check_free_space(free.items(), 64 * MIB, 0.0)
    assert observed.code == code
    assert "the database" in observed.message


@pytest.mark.usefixtures("hasty")
def test_a_file_system_that_hangs_keeps_one_thread_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    freed, asking = threading.Event(), os.statvfs
    disk = Probe(DiskCheck(tmp_path / "books.db", minimum_bytes=1), disk_unanswered)

    def hang(path: Any) -> os.statvfs_result:
        assert freed.wait(30)
        return asking(path)

    async def run() -> None:
        assert (await disk.observe()).findings.items[0].state is State.OK
        monkeypatch.setattr(os, "statvfs", hang)
        before = threading.active_count()
        for _ in range(3):
            await _expiry(disk)
            assert state(await disk.observe()) == (State.FAILED, "disk-timeout")
        assert threading.active_count() <= before + 1
        freed.set()
        await _expiry(disk)
        assert state(await disk.observe()) == (State.OK, "")

    asyncio.run(run())


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    check = DiskCheck(tmp_path / "gone" / "books.db", minimum_bytes=1)
    observed = asyncio.run(_once(check)).items[0]
    assert (observed.state, observed.code) == (State.FAILED, "disk-failed")
    assert str(tmp_path) not in observed.message


async def _once(check: DiskCheck) -> Findings:
    return await check()


# A SQLite file


def _wait_for_another_check(process: Process) -> None:
    before = dependency(process, "database")["age_seconds"]

    def begun() -> bool:
        nonlocal before
        earlier, before = before, dependency(process, "database")["age_seconds"]
        return bool(before < earlier)

    wait_until(begun, "another check")


def test_a_locked_file_is_told_and_piles_up_nothing(start: StartProcess, tmp_path: Path) -> None:
    """The first check writes (and rolls back), so it waits for a lock that another process has."""
    path = tmp_path / "books.db"
    apply_schema(f"sqlite:///{path}")
    process = start(f"sqlite:///{path}").wait_until_serving()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        threads = []
        for _ in range(3):
            began = time.monotonic()
            answer = process.internal("/readyz")
            assert time.monotonic() - began < probe.ANSWER_SECONDS + 1.5
            assert answer.status_code == 503
            assert [reason["code"] for reason in answer.json()["reasons"]] == ["database-busy"]
            threads.append(len(list(Path(f"/proc/{process.pid}/task").iterdir())))
            _wait_for_another_check(process)
        assert max(threads) <= min(threads) + 1
    wait_until(lambda: process.answers("/readyz"), "readiness", seconds=12)


# The pool


SLOW_SECONDS = 3  # below what a statement may take


def _slow_down_books(url: str) -> None:
    """Make every list of books take long."""
    query(url, "ALTER TABLE books RENAME TO stored_books")
    query(
        url,
        "CREATE VIEW books AS SELECT stored_books.* FROM stored_books "  # noqa: S608
        f"RIGHT JOIN pg_sleep({SLOW_SECONDS}) ON true WHERE stored_books.id IS NOT NULL",
    )


def ask_for_books(process: Process, pool: ThreadPoolExecutor, times: int) -> list[Future[int]]:
    """Send requests at once; their statuses in time."""

    def ask() -> int:
        return httpx.get(process.url + BOOKS, timeout=20).status_code

    return [pool.submit(ask) for _ in range(times)]


def test_a_pool_that_is_used_up_is_no_sick_database(
    start: StartProcess, migrated_postgres: str
) -> None:
    # Without payments, nothing but requests uses the pool.
    process = start(
        migrated_postgres, database_pool_size=2, payment_provider="none"
    ).wait_until_ready()
    prefix = "bookstore_database_pool_"
    in_progress = ("bookstore_http_requests_in_progress", ("GET", BOOKS))

    def used_up() -> dict[tuple[str, tuple[str, ...]], float] | None:
        scraped = samples(process)
        return scraped if scraped[prefix + "waiting", ()] == 2 else None

    def checked_since(began: float) -> bool:
        return bool(dependency(process, "database")["age_seconds"] < time.monotonic() - began)

    _slow_down_books(migrated_postgres)
    with ThreadPoolExecutor() as threads:
        statuses = ask_for_books(process, threads, 4)
        scraped = wait_for(used_up, "requests to wait for a connection")
        began = time.monotonic()
        assert process.internal("/readyz").status_code == 200
        wait_until(lambda: checked_since(began), "a check since then")
        assert process.internal("/readyz").status_code == 200
        assert [status.result(30) for status in statuses] == [200] * 4
    assert {name: scraped[prefix + name, ()] for name in ("size", "open", "checked_out")} == {
        "size": 2,
        "open": 2,
        "checked_out": 2,
    }
    assert scraped[prefix + "overflow", ()] == 0
    assert scraped[in_progress] == 4
    after = samples(process)
    assert after[prefix + "waits_total", ()] == 2
    assert after[prefix + "waiting", ()] == after[prefix + "timeouts_total", ()] == 0
    wait_until(lambda: samples(process)[in_progress] == 0, "the requests to end")


def test_waits_that_time_out_are_counted(start: StartProcess, migrated_postgres: str) -> None:
    process = start(
        migrated_postgres, database_pool_size=1, payment_provider="none"
    ).wait_until_ready()
    _slow_down_books(migrated_postgres)
    with ThreadPoolExecutor() as threads:
        statuses = ask_for_books(process, threads, 3)
        assert sorted(status.result(30) for status in statuses) == [200, 200, 503]
    scraped = samples(process)
    assert scraped["bookstore_database_pool_timeouts_total", ()] == 1
    assert scraped["bookstore_errors_total", ("database_unavailable",)] == 1


# The page of metrics


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
def test_the_page_comes_as_it_is_asked_for(
    start: StartProcess, migrated_postgres: str, accept: str, content_type: str
) -> None:
    process = start(migrated_postgres, revision="7", color="green").wait_until_ready()
    httpx.get(process.url + BOOKS)
    url = process.internal_url + "/metrics"
    page = httpx.get(url, headers={"accept": accept}, timeout=20)
    assert page.headers["content-type"].startswith(content_type)
    parse = open_metrics if "openmetrics" in content_type else text_metrics
    families = {family.name: family for family in parse(page.text)}
    identity = families["bookstore_build_info"].samples[0].labels
    assert (identity["revision"], identity["color"]) == ("7", "green")
    assert re.fullmatch(r"\d+\.\d+\.\d+", identity["version"])
    assert "process_resident_memory_bytes" in families
    assert not [name for name in families if name.endswith("_created")]


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Kind and labels of each metric in the documentation."""
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", page, re.MULTILINE)
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def exposed(page: str) -> dict[str, str]:
    """Kind of each metric on a page."""
    return dict(re.findall(r"^# TYPE (\w+) (\w+)$", page, re.MULTILINE))


def labels_of(page: str) -> Mapping[str, frozenset[str]]:
    """Labels of those metrics on a page that have samples."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): frozenset(
            label for sample in family.samples for label in sample.labels
        )
        - {"le"}
        for family in text_metrics(page)
        if family.samples
    }


def test_every_metric_is_documented_and_every_documented_one_exists(
    start: StartProcess, migrated_postgres: str, valkey: Valkey
) -> None:
    process = start(migrated_postgres, redis_url=valkey.url).wait_until_ready()
    httpx.get(process.url + BOOKS)
    httpx.get(process.url + "/nowhere")
    wait_until(lambda: ("bookstore_errors_total", ("not_found",)) in samples(process), "the count")
    page = process.internal("/metrics").text
    expected = documented()
    assert exposed(page) == {name: kind for name, (kind, _) in expected.items()}
    for name, labels in labels_of(page).items():
        assert labels == expected[name][1], name


def test_every_query_in_the_documentation_asks_for_metrics_that_exist() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    asked = set(re.findall(r"\b((?:bookstore|process)_[a-z_]+)\b", page))
    suffixes = ("_bucket", "_count", "_sum")
    names = documented()
    assert not {name for name in asked if name not in names and not name.endswith(suffixes)}


def test_no_folder_for_temporary_files_is_no_reason_not_to_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where every volume is read-only: Python finds none, and raises."""

    def none_found() -> str:
        raise FileNotFoundError

    monkeypatch.setattr("tempfile.gettempdir", none_found)
    check = DiskCheck(tmp_path / "books.db", minimum_bytes=1)
    finding = asyncio.run(_once(check)).items[0]
    assert finding.dependency == "disk"
