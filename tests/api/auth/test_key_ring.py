"""The keys of a process follow the mounted secret, and a bad file never leaves it without."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from bookstore_api.kit.key_ring import RELOAD_SECONDS, KeyRing, KeysUnavailableError
from bookstore_api.settings import Environment, Settings


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def mount(folder: Path, text: str) -> Path:
    path = folder / "signing" / "keys"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def key_set(signing: str, *kids: str) -> str:
    return json.dumps({"signing": signing, "keys": dict.fromkeys((signing, *kids), "00" * 32)})


def ring_of(folder: Path, clock: Clock, environment: str = "production") -> KeyRing:
    settings = Settings.model_construct(
        secrets_dir=folder, environment=Environment(environment), signing_keys=None
    )
    return KeyRing(settings, clock)


async def kids_of(ring: KeyRing) -> list[str]:
    """The ids of the keys that a process has loaded."""
    keys = await ring.loaded()
    return keys.kids if keys else []


async def after_a_reload(ring: KeyRing, clock: Clock) -> list[str]:
    """The ids of the keys once the file was read again."""
    clock.now += RELOAD_SECONDS
    await kids_of(ring)  # begins to read, and answers with what is there
    async with asyncio.timeout(10):
        await ring.wait_until_read()
    return await kids_of(ring)


def test_keys_are_read_again_and_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        clock = Clock()
        mount(tmp_path, key_set("a"))
        ring = ring_of(tmp_path, clock)
        assert await kids_of(ring) == ["a"]
        mount(tmp_path, key_set("a", "b"))
        assert await kids_of(ring) == ["a"], "read again too soon"
        assert await after_a_reload(ring, clock) == ["a", "b"]
        for bad in ("", "{}", key_set("c")[:-1]):
            mount(tmp_path, bad)
            assert await after_a_reload(ring, clock) == ["a", "b"]
        path = mount(tmp_path, key_set("b"))
        assert await after_a_reload(ring, clock) == ["b"]
        path.unlink()
        assert await after_a_reload(ring, clock) == ["b"]
        assert (await ring.current()).signing == "b"

    asyncio.run(check())


def test_a_file_that_hangs_stops_nobody_who_has_keys(tmp_path: Path) -> None:
    async def check() -> None:
        clock = Clock()
        path = mount(tmp_path, key_set("a"))
        ring = ring_of(tmp_path, clock)
        await ring.current()
        path.unlink()
        os.mkfifo(path)  # opening it to read hangs until somebody opens it to write
        clock.now += RELOAD_SECONDS
        async with asyncio.timeout(1):
            assert (await ring.current()).signing == "a"
        await asyncio.to_thread(path.write_text, key_set("b"), encoding="utf-8")
        await ring.wait_until_read()
        assert (await ring.current()).signing == "b"

    asyncio.run(check())


def test_without_keys_nobody_signs_in_but_in_development(tmp_path: Path) -> None:
    async def check() -> None:
        with pytest.raises(KeysUnavailableError):
            await ring_of(tmp_path, Clock()).current()
        assert await kids_of(ring_of(tmp_path, Clock())) == []
        development = ring_of(tmp_path, Clock(), "development")
        assert [(await development.current()).signing] == await kids_of(development)

    asyncio.run(check())
