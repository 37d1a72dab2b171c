"""Accounts for tests: registered over HTTP, made staff in the database, signed in."""

from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from tests.support.bookstore import execute

ACCOUNTS, SESSIONS = "/api/v1/accounts", "/api/v1/sessions"
PASSWORD = "correct horse battery"
_numbers = count(1)


@dataclass(frozen=True)
class Shopper:
    """Somebody who has signed in."""

    id: str
    email: str
    session_id: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.access_token)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def register(client: httpx.Client, email: str | None = None) -> dict[str, Any]:
    """Register somebody; their account."""
    email = email or f"shopper-{next(_numbers)}@example.com"
    body = {"email": email, "password": PASSWORD, "display_name": "A Shopper"}
    answer = client.post(ACCOUNTS, json=body)
    assert answer.status_code == 201, answer.text
    account: dict[str, Any] = answer.json()
    return account


def sign_in(client: httpx.Client, account: dict[str, Any], password: str = PASSWORD) -> Shopper:
    """Sign in by password."""
    answer = client.post(SESSIONS, json={"email": account["email"], "password": password})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    return Shopper(
        account["id"],
        account["email"],
        body["session_id"],
        body["access_token"],
        body["refresh_token"],
    )


def give_role(url: str, account: dict[str, Any], role: str) -> None:
    """Change a role past the API."""
    where = f"email_key = '{account['email']}'"
    execute(url, f"UPDATE accounts SET role = '{role}' WHERE {where}")  # noqa: S608 - a test's own


def shopper(client: httpx.Client, url: str, role: str = "customer") -> Shopper:
    """Register somebody, give them a role, sign them in."""
    account = register(client)
    if role != "customer":
        give_role(url, account, role)
    return sign_in(client, account)
