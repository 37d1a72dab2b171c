"""A running API whose PostgreSQL and Redis can be hurt in every way, and what is then true of it.

`Truth` is what we did to them. `Truth.contradiction` compares it with what the API says. A `Change`
does one thing more to them; which changes are possible depends on what was done before.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import httpx

from bookstore_api.health.checks import DATABASE_SLOW_SECONDS, REDIS_SLOW_SECONDS
from tests.support.bookstore import Process, apply_schema
from tests.support.postgres import OwnPostgres, query
from tests.support.proxy import Proxy, running_proxy
from tests.support.valkey import Valkey

_DOCUMENTED = (Path(__file__).parents[2] / "docs/reference/health.md").read_text(encoding="utf-8")


def _promised(what: str) -> float:
    """Read a number of seconds from the documentation: it is that which must hold."""
    match = re.search(rf"\*\*{what.replace('N', r'([0-9.]+)')}\*\*", _DOCUMENTED)
    assert match, f"docs/reference/health.md does not promise: {what}"
    return float(match[1])


ANSWER_SECONDS = _promised("within N s")
PERIOD_SECONDS = _promised("at most N s old")
# Held back in both directions. PostgreSQL: a short question takes two round trips, more than is
# called slow; a new connection about fifteen, less than a check may take. Redis: one and three.
DATABASE_DELAY_SECONDS = 0.03
REDIS_DELAY_SECONDS = 0.04
REDIS_TIMEOUT_SECONDS = 0.5
# What a busy machine may add to the time of an answer.
TOLERANCE_SECONDS = 2.0
# What nine of ten answers of /livez take at most while others wait for what hangs, and longer.
LIVE_SECONDS = 0.5
PAUSE_SECONDS = 0.02

Name = Literal["database", "redis"]
SILENT = frozenset({"timeout", "unreachable"})


@dataclass(frozen=True)
class Server:
    """What was done to a server, and to the way there."""

    runs: Literal["running", "stopped", "frozen"] = "running"
    path: Literal["fast", "slow", "stalled"] = "fast"
    password_known: bool = True

    @property
    def failures(self) -> frozenset[str]:
        """Why nothing can be had of it, as codes; none where it answers."""
        if self.path == "stalled" or self.runs == "frozen":
            return SILENT
        if self.runs == "stopped":
            return frozenset({"unreachable"})
        return frozenset() if self.password_known else frozenset({"authentication-failed"})


@dataclass(frozen=True)
class Answers:
    """The answers of the internal port to one round of requests.

    `oldest` is when the first of the checks began that it tells of (`time.monotonic`).
    """

    ready: bool
    reasons: frozenset[str]
    report: Mapping[str, Any]
    report_status: int
    oldest: float

    def of(self, name: str) -> Mapping[str, Any]:
        """Return the report of a dependency."""
        entry: Mapping[str, Any] = self.report["dependencies"][name]
        return entry


KEEP_READY = frozenset({"schema-incompatible"})
"""The reasons with which a process stays ready that has been so."""


@dataclass(frozen=True)
class Truth:
    """All that was done, and so all that an answer must agree with."""

    database: Server = Server()
    redis: Server = Server()
    schema: Literal["current", "ahead", "behind", "incompatible"] = "current"

    @property
    def readiness(self) -> frozenset[bool]:
        """What /readyz may say of a process that has been ready before."""
        return frozenset(code in KEEP_READY for code in self.reasons) or frozenset({True})

    @property
    def reasons(self) -> frozenset[str]:
        """The codes, one of which /readyz must give; none where all is well."""
        if failures := self.database.failures:
            return frozenset(f"database-{code}" for code in failures)
        if self.schema in {"current", "ahead"}:
            return frozenset()
        codes = {f"schema-{self.schema}"}
        if self.schema == "incompatible" and self.database.path == "slow":
            codes.add("database-timeout")  # to find that out takes long
        return frozenset(codes)

    def contradiction(self, answers: Answers) -> str | None:
        """Tell what of the answers is not true; None where all is."""
        given = answers.reasons
        if bool(given) != bool(self.reasons) or not given <= self.reasons or len(given) > 1:
            return f"/readyz: {sorted(given) or 'no reasons'}"
        if answers.ready != (given <= KEEP_READY):
            return f"/readyz: {answers.ready} for {sorted(given)}"
        if answers.report_status != (503 if given else 200):
            return f"/health: {answers.report_status} while /readyz has {sorted(given)}"
        return (
            _contradiction(answers.of("database"), "database", self.database, self.reasons)
            or _contradiction(answers.of("redis"), "redis", self.redis)
            or self._contradicts_schema(answers.of("schema"))
        )

    def _contradicts_schema(self, entry: Mapping[str, Any]) -> str | None:
        if entry["state"] == "unknown":
            database_works = not any(code.startswith("database-") for code in self.reasons)
            return "/health: schema unknown" if database_works else None
        beginnings = {"current": "The schema is what", "ahead": "Newer code has applied"}
        good = (
            entry["state"] == "ok" and entry["message"].startswith(beginnings[self.schema])
            if self.schema in beginnings
            else entry["state"] == "failed" and entry["code"] == f"schema-{self.schema}"
        )
        return None if good and not self.database.failures else f"/health: schema {dict(entry)}"


def _contradiction(
    entry: Mapping[str, Any], name: Name, server: Server, reasons: frozenset[str] = frozenset()
) -> str | None:
    wrong = f"/health: {name} {dict(entry)}"
    if entry["age_seconds"] > PERIOD_SECONDS + TOLERANCE_SECONDS:
        return f"{wrong}: too old"
    if entry["state"] == "failed":
        codes = {f"{name}-{code}" for code in server.failures} | set(reasons)
        return None if entry["code"] in codes else wrong
    if server.failures:
        return wrong
    slow_ms = 1000 * (DATABASE_SLOW_SECONDS if name == "database" else REDIS_SLOW_SECONDS)
    slow = entry["latency_ms"] > slow_ms
    if server.path == "slow" and not slow:
        return f"{wrong}: it is slow"
    return None if entry["state"] == ("degraded" if slow else "ok") else wrong


class World:
    """The API with its servers. Its methods make a truth of their names."""

    def __init__(
        self,
        postgres: OwnPostgres,
        valkey: Valkey,
        proxies: Mapping[Name, Proxy],
        folder: Path,
    ) -> None:
        """Make a database and the secrets; `process` is to be started with `settings`."""
        self._postgres, self._valkey, self._proxies = postgres, valkey, proxies
        self._folder = folder
        self._database = postgres.create_database()
        self._heads: list[tuple[Any, ...]] = []
        self._password = ""
        self._renamed = ""
        apply_schema(self._database)
        postgres.execute("CREATE ROLE shop LOGIN SUPERUSER")
        self.change_password("database")
        self.mount_secret("database")
        self.mount_secret("redis")
        self.truth = Truth()
        self.story: list[str] = []

    @property
    def settings(self) -> dict[str, object]:
        """What the process is to be started with."""
        return {"secrets_dir": self._folder, "redis_timeout_seconds": REDIS_TIMEOUT_SECONDS}

    def server(self, name: Name) -> OwnPostgres | Valkey:
        """Return one of the servers."""
        return self._postgres if name == "database" else self._valkey

    def proxy(self, name: Name) -> Proxy:
        """Return the way to one of the servers."""
        return self._proxies[name]

    def slow_down(self, name: Name) -> None:
        self._proxies[name].slow_down(
            DATABASE_DELAY_SECONDS if name == "database" else REDIS_DELAY_SECONDS
        )

    def change_password(self, name: Name) -> None:
        """Change it on the server, and cut the connections that were made with the old one."""
        if name == "redis":
            self._valkey.change_password()
            return
        self._password = secrets.token_urlsafe(16)
        self._postgres.execute(f"ALTER ROLE shop PASSWORD '{self._password}'")
        self._postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'"
        )

    def mount_secret(self, name: Name) -> None:
        """Put the password as it is now where the API reads it, at once as the kubelet does."""
        port = self._proxies[name].port
        uri = (
            f"redis://:{self._valkey.password}@127.0.0.1:{port}/0"
            if name == "redis"
            else f"postgresql://shop:{self._password}@127.0.0.1:{port}/{self._database_name}"
        )
        path = self._folder / name / "uri"
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name("new")
        new.write_text(uri, encoding="utf-8")
        new.replace(path)

    @property
    def _database_name(self) -> str:
        return self._database.rpartition("/")[2]

    def apply_unknown_revision(self) -> None:
        """Pretend that newer code has migrated; each time another revision."""
        name = f"9999_{secrets.token_hex(4)}"
        query(self._database, f"INSERT INTO alembic_version VALUES ('{name}')")  # noqa: S608

    def rename_column(self) -> None:
        """Take a column away from this code."""
        self._renamed = f"title_{secrets.token_hex(4)}"
        query(self._database, f"ALTER TABLE books RENAME COLUMN title TO {self._renamed}")

    def forget_revisions(self) -> None:
        """Make the database look as if it had never been migrated."""
        self._heads = query(self._database, "DELETE FROM alembic_version RETURNING version_num")

    def restore_schema(self) -> None:
        """Make the schema current again."""
        if self._renamed:
            query(self._database, f"ALTER TABLE books RENAME COLUMN {self._renamed} TO title")
            self._renamed = ""
        query(self._database, "DELETE FROM alembic_version WHERE version_num LIKE '9999%'")
        for (head,) in self._heads:
            query(self._database, "INSERT INTO alembic_version VALUES ($1)", head)
        self._heads = []

    def apply(self, change: "Change") -> None:
        """Make a change; what was true before is what changes are possible from."""
        self.story.append(change.name)
        change.do(self)
        self.truth = change.then(self.truth)

    def heal(self) -> None:
        """Undo everything."""
        while undoing := [c for c in CHANGES if c.heals and c.possible(self.truth)]:
            self.apply(undoing[0])


@dataclass(frozen=True)
class Change:
    """One thing to do to the world, and what is true after it.

    `heals` where it undoes another. `disturbs` where it cuts connections: the check that was using
    one may fail. `alone` where the API must see it before anything else happens.
    """

    name: str
    possible: Callable[[Truth], bool]
    do: Callable[[World], None]
    then: Callable[[Truth], Truth]
    heals: bool = False
    disturbs: bool = False
    alone: bool = False


def _of(
    server: Name,
    what: str,
    possible: Callable[[Server], bool],
    do: Callable[[World], None],
    **after: Any,
) -> Change:
    """Make a change to one of the servers; `after` are the fields of `Server` that it changes."""
    flags = {flag: after.pop(flag) for flag in ("heals", "disturbs") if flag in after}

    def then(truth: Truth) -> Truth:
        if server == "database":
            return replace(truth, database=replace(truth.database, **after))
        return replace(truth, redis=replace(truth.redis, **after))

    def is_possible(truth: Truth) -> bool:
        return possible(truth.database if server == "database" else truth.redis)

    return Change(f"{server} {what}", is_possible, do, then, **flags)


def _server_changes(name: Name) -> Iterator[Change]:
    def runs(server: Server) -> bool:
        return server.runs == "running"

    def rotate(world: World) -> None:
        world.change_password(name)
        world.mount_secret(name)

    yield _of(
        name, "thaws", lambda s: s.runs == "frozen", lambda w: w.server(name).thaw(),
        runs="running", heals=True,
    )  # fmt: skip
    yield _of(
        name, "starts", lambda s: s.runs == "stopped", lambda w: w.server(name).start(),
        runs="running", heals=True,
    )  # fmt: skip
    yield _of(
        name, "is reached again", lambda s: s.path != "fast", lambda w: w.proxy(name).flow(),
        path="fast", heals=True,
    )  # fmt: skip
    yield _of(
        name, "has its new password mounted", lambda s: not s.password_known,
        lambda w: w.mount_secret(name), password_known=True, heals=True,
    )  # fmt: skip
    yield _of(name, "stops", runs, lambda w: w.server(name).stop(), runs="stopped")
    yield _of(name, "freezes", runs, lambda w: w.server(name).freeze(), runs="frozen")
    yield _of(
        name, "gets slow", lambda s: s.path == "fast", lambda w: w.slow_down(name), path="slow"
    )
    yield _of(
        name, "stalls", lambda s: s.path == "fast", lambda w: w.proxy(name).stall(), path="stalled"
    )
    yield _of(
        name, "loses its connections unseen", lambda s: s.path == "fast",
        lambda w: w.proxy(name).forget(), disturbs=name == "database",
    )  # fmt: skip
    yield _of(
        name, "gets another password", lambda s: runs(s) and s.password_known,
        lambda w: w.change_password(name), password_known=False,
    )  # fmt: skip
    yield _of(
        name, "gets its password rotated", runs, rotate, password_known=True,
        disturbs=name == "database",
    )  # fmt: skip


def _schema_changes() -> Iterator[Change]:
    def seen(truth: Truth) -> bool:
        """Whether the API sees the schema, and fast: it must find out once what it means."""
        return truth.database == Server()

    def change(what: str, do: Callable[[World], None], schema: Any) -> Change:
        return Change(
            f"the schema {what}",
            lambda truth: seen(truth) and truth.schema == "current",
            do,
            lambda truth: replace(truth, schema=schema),
            alone=True,
        )

    def break_schema(world: World) -> None:
        world.rename_column()  # first: an unknown revision that was found to work stays so
        world.apply_unknown_revision()

    yield change("gets ahead", World.apply_unknown_revision, "ahead")
    yield change("falls behind", World.forget_revisions, "behind")
    yield change("gets incompatible", break_schema, "incompatible")
    yield Change(
        "the schema is current again",
        lambda truth: seen(truth) and truth.schema != "current",
        World.restore_schema,
        lambda truth: replace(truth, schema="current"),
        heals=True,
        alone=True,
    )


CHANGES = (*_server_changes("database"), *_server_changes("redis"), *_schema_changes())


class Asker:
    """Asks the internal port, all of it at once, and times each answer."""

    def __init__(self, process: Process) -> None:
        """Ask this process."""
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(base_url=process.internal_url, timeout=20)
        self._live_seconds: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def ask(self) -> Answers:
        """Ask everything; fails where an answer comes too late."""
        return self._runner.run(self._ask())

    @property
    def usual_live_seconds(self) -> float:
        """What nine of ten answers of /livez took at most, while another had to wait."""
        times = sorted([0.0, *self._live_seconds])
        return times[len(times) * 9 // 10]

    async def _ask(self) -> Answers:
        await asyncio.sleep(PAUSE_SECONDS)
        (live, live_seconds), (ready, _), (health, health_seconds) = await asyncio.gather(
            *(_timed(self._client, path) for path in ("/livez", "/readyz", "/health"))
        )
        if health_seconds > LIVE_SECONDS:
            self._live_seconds.append(live_seconds)
        assert live.status_code == 200
        reasons = {reason["code"] for reason in ready.json()["reasons"]}
        report = health.json()
        age = max(dependency["age_seconds"] for dependency in report["dependencies"].values())
        return Answers(
            ready=ready.status_code == 200,
            reasons=frozenset(reasons),
            report=report,
            report_status=health.status_code,
            oldest=time.monotonic() - age,
        )


async def _timed(client: httpx.AsyncClient, path: str) -> tuple[httpx.Response, float]:
    """Ask, and tell how long that took in seconds; fails where it was too long."""
    began = time.monotonic()
    answer = await client.get(path)
    took = time.monotonic() - began
    assert took < ANSWER_SECONDS + TOLERANCE_SECONDS, f"{path} took {took:.1f} s"
    return answer, took


@contextmanager
def running_world(postgres: OwnPostgres, valkey: Valkey, folder: Path) -> Iterator[World]:
    """Put proxies before the servers, and make the secrets of an API that uses them."""
    with ExitStack() as stack:
        proxies: dict[Name, Proxy] = {}
        ports: dict[Name, str] = {"database": postgres.url("x"), "redis": valkey.url}
        for name, url in ports.items():
            port = urlsplit(url).port
            assert port is not None
            proxies[name] = stack.enter_context(running_proxy(port))
        yield World(postgres, valkey, proxies, folder)
