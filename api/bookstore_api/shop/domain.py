"""What the rest of the API may know of a domain of the shop."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from bookstore_api.db.orm import Base
from bookstore_api.db.schema.check import SelfTest
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.shop.mail import Compose
from bookstore_api.web.cached_routes import CachedCollection

# Deletes what nobody needs any more at a time.
Purge = Callable[[WriteSession, datetime], Awaitable[None]]
# Does a bounded batch of what is due at a time; how much that was, 0 where nothing is left.
Maintain = Callable[[WriteSession, datetime], Awaitable[int]]
# Removes what a domain has stored of an account's owner, when the account is erased.
Erase = Callable[[WriteSession, UUID], Awaitable[None]]
# What a domain has stored of an account, for its owner.
Export = Callable[[ReadSession, UUID], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Domain:
    """A domain: its tables, its routes, and the proof that its SQL works on the schema as it is.

    `export` and `erase` are of domains that store something of accounts, `mails` has what makes
    each kind of mail, and `purge` and `maintain` are run once an hour, and by a command. `cached`
    are the collections that may be answered from the cache: where another domain changes what they
    show, its writes must be among those that invalidate (web/cached_routes.py).
    """

    name: str
    tables: tuple[type[Base], ...]
    router: APIRouter
    self_test: SelfTest
    export: Export | None = None
    mails: Mapping[str, Compose] = field(default_factory=dict)
    purge: Purge | None = None
    maintain: Maintain | None = None
    erase: Erase | None = None
    cached: tuple[CachedCollection, ...] = ()
