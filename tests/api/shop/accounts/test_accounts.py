"""Accounts over HTTP, on both databases, by a real server with a real mail server."""

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bookstore_api.settings import Settings
from bookstore_api.shop.domains import DOMAINS
from bookstore_api.telemetry.metrics import REGISTRY
from tests.support.bookstore import UNLIMITED, app_of, execute, served, wait_for
from tests.support.log_lines import logging_to
from tests.support.mailbox import Mailbox, mailbox
from tests.support.shoppers import (
    ACCOUNTS,
    PASSWORD,
    SESSIONS,
    bearer,
    give_role,
    register,
    shopper,
    sign_in,
)

ME, RESETS, REFRESH = f"{ACCOUNTS}/me", "/api/v1/password-resets", "/api/v1/tokens"
NEW = "another horse battery"
PAGE = Path(__file__).parents[4] / "docs" / "reference" / "accounts.md"


@dataclass(frozen=True)
class Shop:
    """A server, its database and its mailbox."""

    client: httpx.Client
    url: str
    box: Mailbox

    def rows(self, table: str, where: str = "1 = 1") -> int:
        [(number,)] = execute(self.url, f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608
        return int(number)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("accounts")
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), folder / "books.db")
        with shop_on(f"sqlite:///{folder / 'books.db'}") as running:
            yield running
        return
    postgres = request.getfixturevalue("postgres")
    with (
        postgres.database(request.getfixturevalue("migrated_template")) as url,
        shop_on(url) as running,
    ):
        yield running


@contextmanager
def shop_on(url: str) -> Iterator[Shop]:
    with mailbox() as box:
        values = {
            "database_url": url,
            "smtp_url": box.uri,
            "public_url": "https://shop.example/",
            **UNLIMITED,
        }
        with served(app_of(Settings.model_validate(values))) as client:
            yield Shop(client, url, box)


def test_a_shopper_registers_signs_in_and_changes_their_name(shop: Shop) -> None:
    account = register(shop.client)
    again = {"email": account["email"].upper(), "password": PASSWORD, "display_name": "B"}
    assert shop.client.post(ACCOUNTS, json=again).status_code == 409
    who = sign_in(shop.client, {**account, "email": account["email"].title()})
    read = shop.client.get(ME, headers=who.headers)
    assert read.json() == account
    stale = {**who.headers, "if-match": '"7"'}
    assert shop.client.patch(ME, json={"display_name": "C"}, headers=stale).status_code == 412
    current = {**who.headers, "if-match": read.headers["etag"]}
    changed = shop.client.patch(ME, json={"display_name": "C"}, headers=current)
    assert (changed.status_code, changed.json()["display_name"]) == (200, "C")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password", "short"),
        ("password", "x" * 129),
        ("password", "mysecretpassword"),
        ("password", "abcabcabcabc"),
        ("email", "nobody"),
        ("email", "a@b"),
        ("email", "a b@example.com"),
        ("email", "a@example.com\r\nBcc: b@example.com"),
        ("email", f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 63}.com"),
        ("display_name", "\x00"),
        ("display_name", " "),
        ("role", "admin"),
    ],
)
def test_an_invalid_registration_is_refused_and_repeats_nothing(
    shop: Shop, field: str, value: str
) -> None:
    body = {"email": "new@example.com", "password": PASSWORD, "display_name": "A", field: value}
    answer = shop.client.post(ACCOUNTS, json=body)
    assert answer.status_code == 422
    assert PASSWORD not in answer.text
    assert shop.rows("accounts", "email_key = 'new@example.com'") == 0


def test_sessions_are_listed_and_ended(shop: Shop) -> None:
    account = register(shop.client)
    first, second = sign_in(shop.client, account), sign_in(shop.client, account)
    listed = shop.client.get(SESSIONS, headers=second.headers).json()["items"]
    assert [(item["id"], item["current"]) for item in listed] == [
        (second.session_id, True),
        (first.session_id, False),
    ]
    other = f"{SESSIONS}/{first.session_id}"
    assert shop.client.delete(other, headers=second.headers).status_code == 204
    assert shop.client.delete(other, headers=second.headers).status_code == 404
    assert shop.client.get(ME, headers=first.headers).status_code == 401
    stolen = shop.client.post(REFRESH, json={"refresh_token": first.refresh_token})
    assert stolen.status_code == 401
    assert shop.client.delete(f"{SESSIONS}/current", headers=second.headers).status_code == 204
    assert shop.client.get(SESSIONS, headers=second.headers).status_code == 401


def test_a_token_that_is_used_twice_ends_its_session_though_the_answer_is_an_error(
    shop: Shop,
) -> None:
    who = shopper(shop.client, shop.url)
    tokens = [who.refresh_token]
    for _ in range(2):
        answer = shop.client.post(REFRESH, json={"refresh_token": tokens[-1]})
        assert answer.status_code == 200
        tokens.append(answer.json()["refresh_token"])
    repeated = shop.client.post(REFRESH, json={"refresh_token": tokens[-2]})
    assert repeated.json()["refresh_token"] == tokens[-1]
    assert shop.client.post(REFRESH, json={"refresh_token": tokens[0]}).status_code == 401
    assert shop.client.post(REFRESH, json={"refresh_token": tokens[-1]}).status_code == 401
    assert shop.client.get(ME, headers=who.headers).status_code == 401


def test_a_password_is_reset_by_the_token_that_was_mailed(shop: Shop) -> None:
    who = shopper(shop.client, shop.url)
    answers = [
        shop.client.post(RESETS, json={"email": email})
        for email in (who.email, "nobody@example.com")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    [mail] = wait_for(lambda: shop.box.to(who.email) or None, "the mail")
    found = re.search(r"https://shop\.example/password-reset#token=(\S+)", mail.get_content())
    assert found is not None
    assert shop.rows("password_resets", f"token_hash = '{found[1]}'") == 0, "stored as it is"
    body = {"token": found[1], "new_password": NEW}
    assert shop.client.post(f"{RESETS}/confirm", json=body | {"token": "x"}).status_code == 422
    assert shop.client.post(f"{RESETS}/confirm", json=body).status_code == 204
    assert shop.client.post(f"{RESETS}/confirm", json=body).status_code == 422
    assert shop.client.get(ME, headers=who.headers).status_code == 401
    assert (
        shop.client.post(SESSIONS, json={"email": who.email, "password": PASSWORD}).status_code
        == 401
    )
    sign_in(shop.client, {"email": who.email, "id": who.id}, NEW)
    wait_for(lambda: len(shop.box.to(who.email)) == 2 or None, "the mail that it was changed")
    assert not shop.box.to("nobody@example.com")


def test_a_changed_password_ends_all_other_sessions_and_mailed_tokens(shop: Shop) -> None:
    account = register(shop.client)
    here, elsewhere = sign_in(shop.client, account), sign_in(shop.client, account)
    shop.client.post(RESETS, json={"email": account["email"]})
    mails = wait_for(lambda: shop.box.to(account["email"]) or None, "the mail")
    token = mails[0].get_content().partition("#token=")[2].split()[0]
    body = {"current_password": PASSWORD, "new_password": NEW}
    wrong = body | {"current_password": "no"}
    assert shop.client.put(f"{ME}/password", json=wrong, headers=here.headers).status_code == 422
    assert shop.client.put(f"{ME}/password", json=body, headers=here.headers).status_code == 204
    assert shop.client.get(ME, headers=here.headers).status_code == 200
    assert shop.client.get(ME, headers=elsewhere.headers).status_code == 401
    confirm = {"token": token, "new_password": PASSWORD}
    assert shop.client.post(f"{RESETS}/confirm", json=confirm).status_code == 422


def test_guesses_at_once_are_all_counted_and_unknown_addresses_are_the_same(shop: Shop) -> None:
    known = register(shop.client)["email"]
    for email in (known, "unknown@example.com"):
        body = {"email": email, "password": "wrong wrong wrong"}
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: shop.client.post(SESSIONS, json=body), range(12)))  # noqa: B023
        rejected = [answer for answer in answers if answer.status_code == 401]
        # Five are free, and a slow machine has time for those after 1, 2 and 4 seconds.
        assert 5 <= len(rejected) <= 8
        assert len({answer.text for answer in rejected}) == 1
        throttled = [answer for answer in answers if answer.status_code == 429]
        assert len(rejected) + len(throttled) == 12
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in throttled)
    execute(shop.url, "UPDATE sign_in_attempts SET failures = 20 WHERE failures >= 5")
    right = {"email": known, "password": PASSWORD}
    assert shop.client.post(SESSIONS, json=right).status_code == 429


def test_an_attempt_is_counted_and_logged_by_a_pseudonym(shop: Shop) -> None:
    def rejected() -> float:
        labels = {"credential": "password", "outcome": "rejected"}
        return REGISTRY.get_sample_value("bookstore_authentications_total", labels) or 0.0

    before, email = rejected(), register(shop.client)["email"]
    with logging_to() as stream:
        shop.client.post(SESSIONS, json={"email": email, "password": "wrong wrong wrong"})
        wait_for(lambda: "sign-in" in stream.getvalue() or None, "the line")
    assert rejected() == before + 1
    assert email not in stream.getvalue()
    assert "wrong wrong" not in stream.getvalue()


def test_an_erased_account_leaves_nothing_that_says_who_it_was(shop: Shop) -> None:
    who = shopper(shop.client, shop.url)
    exported = shop.client.get(f"{ME}/export", headers=who.headers).json()["data"]
    assert exported["accounts"]["account"]["email"] == who.email
    assert len(exported["accounts"]["sessions"]) == 1
    wrong, right = {"password": "no"}, {"password": PASSWORD}
    assert shop.client.post(f"{ME}/erasure", json=wrong, headers=who.headers).status_code == 422
    assert shop.client.post(f"{ME}/erasure", json=right, headers=who.headers).status_code == 204
    assert shop.client.get(ME, headers=who.headers).status_code == 401
    columns = "email, email_key, display_name, password_hash"
    query = f"SELECT {columns} FROM accounts WHERE erased_at IS NOT NULL"  # noqa: S608
    assert set(execute(shop.url, query)) == {(None,) * 4}
    sessions = execute(shop.url, "SELECT account_id FROM account_sessions")
    assert who.id.replace("-", "") not in {str(row[0]).replace("-", "") for row in sessions}
    assert shop.rows("audit_log", "action = 'account.erase'") >= 1
    register(shop.client, who.email)  # the address is free again


def test_an_admin_changes_roles_but_there_is_always_one_left(shop: Shop) -> None:
    account = register(shop.client)
    give_role(shop.url, account, "admin")
    admin, other = sign_in(shop.client, account), register(shop.client)
    path, own = f"{ACCOUNTS}/{other['id']}", f"{ACCOUNTS}/{admin.id}"
    for body in ({"role": "staff"}, {"disabled": True}):
        assert shop.client.patch(own, json=body, headers=admin.headers).status_code == 409
    body = {"password": PASSWORD}
    assert shop.client.post(f"{ME}/erasure", json=body, headers=admin.headers).status_code == 409
    changed = shop.client.patch(path, json={"role": "admin"}, headers=admin.headers)
    assert changed.json()["role"] == "admin"
    second = sign_in(shop.client, other)
    assert shop.client.patch(path, json={"role": None}, headers=admin.headers).status_code == 422
    disabled = shop.client.patch(own, json={"disabled": True}, headers=second.headers)
    assert disabled.json()["disabled"] is True
    assert shop.client.get(ACCOUNTS, headers=admin.headers).status_code == 401
    body = {"email": admin.email, "password": PASSWORD}
    assert shop.client.post(SESSIONS, json=body).status_code == 401
    pages: list[dict[str, str]] = []
    after: str | None = ""
    while after is not None:
        page = shop.client.get(
            f"{ACCOUNTS}?limit=3{after and '&after=' + after}", headers=second.headers
        )
        pages += page.json()["items"]
        after = page.json()["next"]
    emails = [item["email"].lower() for item in pages]
    assert emails == sorted(emails)
    assert len(emails) == len(set(emails)) == shop.rows("accounts", "erased_at IS NULL")


def test_every_column_that_may_be_personal_has_a_row_in_the_reference() -> None:
    """What erasure does to each column is documented; a new column without a row fails."""
    documented = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", PAGE.read_text(encoding="utf-8")))
    stored = {
        f"{table.__tablename__}.{column.name}"
        for domain in DOMAINS
        if domain.name not in {"catalog", "inventory"}  # books are nobody's
        for table in domain.tables
        for column in table.__table__.columns
    }
    assert stored <= documented, f"add to {PAGE.name}: {sorted(stored - documented)}"


def test_a_forged_token_is_no_account(shop: Shop) -> None:
    who = shopper(shop.client, shop.url)
    for token in ("x", "a.b.c", who.access_token[:-1], who.refresh_token):
        answer = shop.client.get(ME, headers=bearer(token))
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
