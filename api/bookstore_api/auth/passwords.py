"""Passwords: hashed by argon2id (RFC 9106) in a few threads, never on the event loop.

Parameters are OWASP's smallest for argon2id. Memory counts in a container: hashing never takes more
than MEMORY_KIB in each of THREADS. Whoever waits WAIT_SECONDS for a thread is asked to retry.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bookstore_api.kit.problems import ProblemError
from bookstore_api.settings.policy import is_well_known

T = TypeVar("T")

MIN_LENGTH = 12
MAX_LENGTH = 128  # also for sign-in: hashing must not take what a client likes to send
MEMORY_KIB = 19 * 1024
PASSES = 2
THREADS = 2
MAX_WAITING = 64
WAIT_SECONDS = 5.0


class PasswordsBusyError(ProblemError):
    """More passwords are to be checked than this process can check in time."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


def weakness(password: str, *, email: str) -> str | None:
    """Return why a new password is not accepted, or None."""
    plain = normalize(password)
    if is_well_known(plain):
        return "A well-known password, or a short piece repeated: choose another one"
    if plain.lower() in {email.lower(), email.lower().partition("@")[0]}:
        return "It is the e-mail address: choose another one"
    return None


def normalize(password: str) -> str:
    """Return the same text for all ways of typing it (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


class Passwords:
    """Hashes and verifies passwords. Close it when done."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        self._dummy: str | None = None

    async def hash(self, password: str) -> str:
        """Return what to store of a password; raises PasswordsBusyError."""
        return await self._run(lambda: self._hash(normalize(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether a password is the stored one.

        With nothing stored (an account that does not exist, or has no password) the answer is no,
        and takes as long. Raises PasswordsBusyError.
        """
        return await self._run(lambda: self._verify(stored, normalize(password)))

    def is_outdated(self, stored: str) -> bool:
        """Whether a stored hash has other parameters than new ones have."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Begin nothing any more; what is being hashed ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def _verify(self, stored: str | None, password: str) -> bool:
        if self._dummy is None:
            self._dummy = self._hasher.hash("no account has this password")
        try:
            self._hasher.verify(stored or self._dummy, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, work)
            return await asyncio.wait_for(future, WAIT_SECONDS)
        except TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1


def _busy() -> PasswordsBusyError:
    msg = "Too many passwords are being checked at the moment. Try again."
    return PasswordsBusyError(msg, headers={"Retry-After": "2"})
