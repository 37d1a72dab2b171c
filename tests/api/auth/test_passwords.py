"""Passwords: hashed off the event loop, by few threads, and never in vain."""

import asyncio
import threading

import pytest

from bookstore_api.auth import passwords as module
from bookstore_api.auth.passwords import Passwords, PasswordsBusyError, weakness

GOOD = "correct horse battery"


def test_a_hash_verifies_its_password_and_no_other() -> None:
    async def check() -> None:
        passwords = Passwords()
        stored = await passwords.hash(GOOD)
        assert stored.startswith("$argon2id$")
        assert await passwords.verify(stored, GOOD)
        assert not await passwords.verify(stored, GOOD + " ")
        assert not await passwords.verify(None, GOOD)
        assert not await passwords.verify("no hash at all", GOOD)
        assert await passwords.verify(await passwords.hash("ﬁne passwords Å"), "fine passwords Å")
        assert not passwords.is_outdated(stored)
        assert passwords.is_outdated(stored.replace("t=2", "t=1"))
        passwords.close()

    asyncio.run(check())


def test_hashing_leaves_the_event_loop_free_and_the_queue_has_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)

    async def check() -> None:
        passwords = Passwords()
        release, running = threading.Event(), threading.Semaphore(0)

        def hang(password: str) -> str:
            running.release()
            assert release.wait(20)
            return password

        monkeypatch.setattr(passwords, "_hash", hang)
        waiting = [asyncio.create_task(passwords.hash(GOOD)) for _ in range(3)]
        await asyncio.to_thread(lambda: [running.acquire(timeout=20) for _ in range(2)])
        assert not running.acquire(blocking=False), "more threads than THREADS"
        with pytest.raises(PasswordsBusyError) as raised:
            await passwords.hash(GOOD)
        assert raised.value.headers == {"Retry-After": "2"}
        release.set()
        assert await asyncio.gather(*waiting) == [GOOD] * 3
        passwords.close()

    asyncio.run(check())


def test_who_waits_too_long_is_told_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)

    async def check() -> None:
        passwords, release = Passwords(), threading.Event()

        def hang(password: str) -> str:
            assert release.wait(20)
            return password

        monkeypatch.setattr(passwords, "_hash", hang)
        with pytest.raises(PasswordsBusyError):
            await passwords.hash(GOOD)
        release.set()
        passwords.close()

    asyncio.run(check())


@pytest.mark.parametrize(
    "password", ["abcabcabcabc", "mysecretpassword", "ADA@Example.com", "aaaaaaaaaaaaaaaa"]
)
def test_a_weak_password_is_named_as_such(password: str) -> None:
    assert weakness(password, email="ada@example.com")
    assert not weakness(GOOD, email="ada@example.com")
