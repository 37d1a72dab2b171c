"""What routes ask for by type: who sends the request, and what passwords and tokens take."""

from typing import Annotated

from fastapi import Depends, Request

from bookstore_api.auth.passwords import Passwords
from bookstore_api.auth.principal import Principal
from bookstore_api.kit.key_ring import KeyRing


async def _principal(request: Request) -> Principal:
    principal = request.state.principal
    assert isinstance(principal, Principal)  # noqa: S101 - put there by the route
    return principal


async def _passwords(request: Request) -> Passwords:
    passwords = request.state.passwords
    assert isinstance(passwords, Passwords)  # noqa: S101 - put there by the app's lifespan
    return passwords


async def _keys(request: Request) -> KeyRing:
    keys = request.state.keys
    assert isinstance(keys, KeyRing)  # noqa: S101 - put there by the app's lifespan
    return keys


Caller = Annotated[Principal, Depends(_principal)]
Hashing = Annotated[Passwords, Depends(_passwords)]
Signing = Annotated[KeyRing, Depends(_keys)]
