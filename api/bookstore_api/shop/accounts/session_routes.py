"""Sessions over HTTP: signing in, refreshing, listing, signing out."""

from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from fastapi import Response

from bookstore_api.auth import tokens
from bookstore_api.auth.dependencies import Caller, Hashing, Signing
from bookstore_api.auth.principal import Principal
from bookstore_api.auth.routes import AccountRoute, PublicRoute
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.kit.errors import NotFoundError
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.problems import describe
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.settings.key_set import KeySet
from bookstore_api.shop.accounts import session_repository, sessions
from bookstore_api.shop.accounts.accounts import live_account, role_of
from bookstore_api.shop.accounts.client import Asker
from bookstore_api.shop.accounts.errors import invalid_refresh_token
from bookstore_api.shop.accounts.schemas import Refresh, Sessions, SignIn, Tokens, to_session_read
from bookstore_api.shop.accounts.session_repository import Member
from bookstore_api.shop.accounts.sessions import Outcome
from bookstore_api.shop.accounts.sign_in import sign_in
from bookstore_api.telemetry.metrics import count_authentication

PREFIX = "/api/v1/sessions"
_COMMON = describe(422, 429, 503)

log = structlog.stdlib.get_logger(__name__)

public = Router(prefix=PREFIX, tags=["sessions"], route_class=PublicRoute, responses=_COMMON)
# Not below the sessions: there a path that is no id would take the methods of one, too.
refreshing = Router(
    prefix="/api/v1/tokens", tags=["sessions"], route_class=PublicRoute, responses=_COMMON
)
own = Router(prefix=PREFIX, tags=["sessions"], route_class=AccountRoute, responses=_COMMON)


@public.post("", status_code=HTTPStatus.CREATED, responses=describe(401))
async def create_session(
    write: Writing, passwords: Hashing, signing: Signing, asker: Asker, body: SignIn
) -> Tokens:
    """Sign in."""
    keys = await signing.current()  # without any, nothing is counted or begun
    signed_in = await sign_in(write, passwords, body, asker)
    return _tokens(keys, signed_in.member, signed_in.refresh_token)


@refreshing.post("", responses=describe(401))
async def refresh_session(write: Writing, signing: Signing, body: Refresh) -> Tokens:
    """Exchange a refresh token for new tokens.

    A refresh token is valid once. If an answer was lost, ask again within 10 seconds, with the
    same token: the answer is the same refresh token again. Using a token again otherwise ends the
    session.
    """
    keys = await signing.current()
    token = body.refresh_token.get_secret_value()
    rotation = await write(lambda session: sessions.rotate(session, token, datetime.now(UTC)))
    count_authentication("refresh-token", rotation.outcome.value)
    if rotation.member is None:
        write_line = log.warning if rotation.outcome is Outcome.REUSED else log.info
        write_line("refresh token", outcome=rotation.outcome.value)
        raise invalid_refresh_token()
    return _tokens(keys, rotation.member, rotation.token)


@own.get("", responses=describe(412))
async def list_sessions(read: Reading, caller: Caller) -> Sessions:
    """List one's sessions."""

    async def work(session: ReadSession) -> Sessions:
        account = await live_account(session, caller)
        rows = await session_repository.list_live(session, account.id, datetime.now(UTC))
        return Sessions(items=[to_session_read(row, caller.session_id) for row in rows])

    return await read(work)


@own.delete("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def delete_sessions(write: Writing, caller: Caller) -> None:
    """Sign out everywhere, here too."""

    async def work(session: WriteSession) -> None:
        account = await live_account(session, caller)
        await session_repository.revoke_all(session, account.id, datetime.now(UTC))

    await write(work)


@own.delete("/current", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def delete_current_session(write: Writing, caller: Caller) -> None:
    """Sign out."""
    await write(lambda session: _revoke(session, caller, None))


@own.delete(
    "/{session_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=describe(404),
)
async def delete_session(write: Writing, caller: Caller, session_id: Id) -> None:
    """Sign out another of one's clients."""
    await write(lambda session: _revoke(session, caller, session_id))


async def _revoke(session: WriteSession, caller: Principal, session_id: Id | None) -> None:
    """Revoke a session of the caller, the current one if none is named; raises NotFoundError."""
    account = await live_account(session, caller)
    target = session_id or caller.session_id
    assert target is not None  # noqa: S101 - the caller has one
    if not await session_repository.revoke(session, target, account.id, datetime.now(UTC)):
        msg = "There is no session with this id."
        raise NotFoundError(msg)


def _tokens(keys: KeySet, member: Member, refresh_token: str) -> Tokens:
    principal = Principal(role_of(member.account), member.account.id, member.session.id)
    return Tokens(
        access_token=tokens.issue(keys, principal, datetime.now(UTC)),
        refresh_token=refresh_token,
        session_id=member.session.id,
        session_expires_at=member.session.expires_at,
    )
