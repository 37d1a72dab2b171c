"""The outbox: mails are sent by a real SMTP server, at least once and in their time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bookstore_api.db.sessions import Database, WriteSession, open_database
from bookstore_api.settings import Settings
from bookstore_api.shop.mail import Mail, Occasion
from bookstore_api.shop.outbox.sender import LEASE, Sender, pause_after
from bookstore_api.shop.outbox.service import enqueue
from tests.support.bookstore import execute
from tests.support.mailbox import Mailbox, mailbox

ADDRESS = "ada@example.com"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


async def compose(_session: WriteSession, occasion: Occasion) -> Mail | None:
    if occasion.payload.get("broken"):
        msg = "no such mail"
        raise RuntimeError(msg)
    if occasion.payload.get("obsolete"):
        return None
    return Mail(ADDRESS, "Grüße", f"{occasion.public_url}/{occasion.payload['number']}\n")


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as running:
        yield running


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings)
    try:
        yield database
    finally:
        await database.close()


async def put(database: Database, payload: dict[str, Any], kind: str = "test") -> None:
    await database.write(lambda s: enqueue(s, kind, payload, valid_for=timedelta(hours=1)))


def sending(settings: Settings, box: Mailbox) -> Settings:
    """Settings that send mails to the box."""
    values = {**settings.model_dump(), "smtp_url": box.uri, "public_url": "https://shop.example"}
    return Settings.model_validate(values)


def states(settings: Settings) -> list[str]:
    """What became of all messages, the oldest first."""
    rows = execute(settings.database_uri(), "SELECT state FROM outbox_messages ORDER BY id")
    return [row[0] for row in rows]


def test_mails_are_sent_once_each_by_several_processes(settings: Settings, box: Mailbox) -> None:
    async def check() -> None:
        settings_ = sending(settings, box)
        async with opened(settings_) as one, opened(settings_) as other:
            for number in range(6):
                await put(one, {"number": number})
            clock = Clock()

            async def work(database: Database) -> None:
                sender = Sender(settings_, database, {"test": compose}, clock)
                while await sender.send_next():
                    pass

            await asyncio.gather(*(work(database) for database in (one, other)))

    asyncio.run(check())
    texts = sorted(mail.get_content().strip() for mail in box.to(ADDRESS))
    assert texts == [f"https://shop.example/{number}" for number in range(6)]
    assert {mail["Subject"] for mail in box.mails} == {"Grüße"}
    assert len({mail["Message-ID"] for mail in box.mails}) == 6
    assert states(settings) == ["sent"] * 6


def test_a_mail_that_fails_is_sent_later_and_stops_no_other(
    settings: Settings, box: Mailbox
) -> None:
    async def check() -> None:
        settings_ = sending(settings, box)
        async with opened(settings_) as database:
            for payload in ({"broken": 1}, {"number": 1}, {"number": 2}, {"obsolete": 1}):
                await put(database, payload)
            await put(database, {}, kind="of newer code")
            clock = Clock()
            sender = Sender(settings_, database, {"test": compose}, clock)
            box.replies = ["451 Try again", "554 No such mail"]
            with pytest.raises(RuntimeError):
                await sender.send_next()
            assert [await sender.send_next() for _ in range(4)] == [True, True, True, False]
            assert (await asyncio.to_thread(states, settings)) == [
                "pending",
                "pending",
                "refused",
                "obsolete",
                "pending",
            ]
            clock.now += LEASE
            assert await sender.send_next()
            with pytest.raises(RuntimeError):  # its turn again, as its lease is over
                await sender.send_next()
            assert not await sender.send_next()
            assert (await asyncio.to_thread(states, settings))[1] == "sent"
            clock.now += timedelta(hours=1)
            assert await sender.send_next()

    asyncio.run(check())
    assert states(settings) == ["expired", "sent", "refused", "obsolete", "pending"]
    assert [mail.get_content().strip() for mail in box.mails] == ["https://shop.example/1"]


def test_what_a_killed_process_has_claimed_is_sent_when_its_lease_is_over(
    settings: Settings, box: Mailbox
) -> None:
    async def check() -> None:
        settings_ = sending(settings, box)
        async with opened(settings_) as database:
            await put(database, {"number": 1})
            clock = Clock()
            killed = Sender(settings_, database, {"test": compose}, clock)
            assert await database.write(killed._claim)
            other = Sender(settings_, database, {"test": compose}, clock)
            assert not await other.send_next()
            clock.now += LEASE
            assert await other.send_next()

    asyncio.run(check())
    assert len(box.mails) == 1


def test_without_a_server_or_a_url_nothing_is_claimed(settings: Settings, box: Mailbox) -> None:
    async def check() -> None:
        async with opened(settings) as database:
            await put(database, {"number": 1})
            url = {"public_url": "https://shop.example"}
            for change in ({}, {"smtp_url": sending(settings, box).smtp_url}, url):
                sender = Sender(settings.model_copy(update=change), database, {"test": compose})
                assert not await sender.send_next()

    asyncio.run(check())
    assert states(settings) == ["pending"]


def test_a_server_that_is_away_is_no_error(settings: Settings, box: Mailbox) -> None:
    async def check() -> None:
        values = sending(settings, box).model_dump() | {"smtp_url": "smtp://127.0.0.1:9?tls=off"}
        settings_ = Settings.model_validate(values)
        async with opened(settings_) as database:
            await put(database, {"number": 1})
            assert await Sender(settings_, database, {"test": compose}, Clock()).send_next()

    asyncio.run(check())
    rows = execute(settings.database_uri(), "SELECT state, error, attempts FROM outbox_messages")
    assert rows == [("pending", "unreachable", 1)]


def test_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    minutes = [pause_after(attempts).total_seconds() / 60 for attempts in range(1, 8)]
    assert minutes == [0.5, 1, 2, 4, 8, 15, 15]
