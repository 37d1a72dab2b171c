"""Where a request comes from, as accounts need it."""

from typing import Annotated

from fastapi import Depends, Request

from bookstore_api.shop.accounts.sign_in import Client
from bookstore_api.telemetry.request_state import headers_of, request_state
from bookstore_api.web.client_address import rate_limit_key

__all__ = ["Asker", "Client"]


async def _client(request: Request) -> Client:
    names = headers_of(request.scope).get(b"user-agent", ())
    printable = (char for char in b" ".join(names).decode("latin-1") if " " <= char <= "~")
    return Client(
        network=rate_limit_key(request_state(request.scope).client),
        user_agent="".join(printable) or None,
    )


Asker = Annotated[Client, Depends(_client)]
