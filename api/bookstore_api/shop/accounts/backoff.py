"""How long whoever guesses passwords has to wait. Pure.

Failures are counted twice: of an account from one network, and of an account from anywhere. The
first slows down a guesser, and not the owner at home; the second, whose limit is high, slows down
guessers who use many networks. It does not count for a network that the account has signed in
from, or anybody could keep the owner out. Attempts that have to wait are not counted, so a wait
ends however often somebody tries meanwhile.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

FORGOTTEN_AFTER = timedelta(hours=24)
TRUSTED_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Limit:
    """So many failures are free; each further one doubles the wait, up to a maximum."""

    free: int
    longest: timedelta

    def wait_after(self, failures: int) -> timedelta:
        """Return how long after that many failures in a row the next attempt is allowed."""
        if failures < self.free:
            return timedelta()
        # The exponent is bounded, as 2 ** 10_000 seconds is no time.
        return min(timedelta(seconds=2 ** min(failures - self.free, 20)), self.longest)


OF_NETWORK = Limit(free=5, longest=timedelta(minutes=15))
OF_ACCOUNT = Limit(free=100, longest=timedelta(minutes=1))


class Attempts(NamedTuple):
    """What is stored of the attempts with a key."""

    failures: int
    last_at: datetime
    succeeded_at: datetime | None


class Keys(NamedTuple):
    """Under which an attempt is counted: digests, since an address may be a stranger's."""

    network: str
    account: str


def keys_of(email_key: str, network: str) -> Keys:
    """Return the keys of an attempt to sign in, whether there is such an account or not."""
    return Keys(
        sha256(f"network\0{email_key}\0{network}".encode()).hexdigest(),
        sha256(f"account\0{email_key}".encode()).hexdigest(),
    )


def remaining_wait(network: Attempts, account: Attempts, now: datetime) -> timedelta:
    """Return how long the next attempt has to wait; zero if it may be made."""
    waits = [_remaining(OF_NETWORK, network, now)]
    trusted = network.succeeded_at is not None and now - network.succeeded_at < TRUSTED_FOR
    if not trusted:
        waits.append(_remaining(OF_ACCOUNT, account, now))
    return max(waits)


def failures_now(attempts: Attempts, now: datetime) -> int:
    """Return how many failures count: old ones are forgotten."""
    return 0 if now - attempts.last_at > FORGOTTEN_AFTER else attempts.failures


def _remaining(limit: Limit, attempts: Attempts, now: datetime) -> timedelta:
    wait = limit.wait_after(failures_now(attempts, now))
    return max(attempts.last_at + wait - now, timedelta())
