"""What a mail is, and how a domain makes one."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bookstore_api.db.sessions import WriteSession


@dataclass(frozen=True)
class Mail:
    """A mail as it is sent."""

    to: str
    subject: str
    text: str


@dataclass(frozen=True)
class Occasion:
    """What a mail is made of: what was enqueued, and where the shop's pages are."""

    payload: Mapping[str, Any]
    expires_at: datetime
    public_url: str


# Makes the mail of a message when it is about to be sent; None where there is no reason any more.
# What it writes is committed before the mail is sent.
Compose = Callable[[WriteSession, Occasion], Awaitable[Mail | None]]
