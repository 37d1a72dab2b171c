"""Accounts as the rest of the API knows them."""

from bookstore_api.auth.authenticator import LiveRole
from bookstore_api.auth.principal import Principal, Role
from bookstore_api.db.sessions import Database
from bookstore_api.shop.accounts import accounts
from bookstore_api.shop.accounts.mails import COMPOSERS
from bookstore_api.shop.accounts.models import (
    Account,
    AccountSession,
    PasswordReset,
    RefreshToken,
    SignInAttempts,
)
from bookstore_api.shop.accounts.purge import purge
from bookstore_api.shop.accounts.routes import router
from bookstore_api.shop.accounts.self_test import self_test
from bookstore_api.shop.domain import Domain

ACCOUNTS = Domain(
    "accounts",
    (Account, AccountSession, RefreshToken, PasswordReset, SignInAttempts),
    router,
    self_test,
    export=accounts.export,
    mails=COMPOSERS,
    purge=purge,
)


def live_role_in(database: Database) -> LiveRole:
    """Return what looks up the role of whoever asks as it is now."""

    async def live_role(caller: Principal) -> Role | None:
        return await database.read(lambda session: accounts.live_role(session, caller))

    return live_role
