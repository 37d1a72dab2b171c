"""The first admin, made by a command: whoever may run one has the database anyway."""

from bookstore_api.auth.principal import Role
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.errors import ConflictError
from bookstore_api.shop.accounts import accounts, repository
from bookstore_api.shop.audit.service import Change, record


async def create_admin(
    session: WriteSession, who: tuple[str, str], password_hash: str, *, another: bool
) -> None:
    """Make an admin of an address and a name; raises ConflictError."""
    if not another and await repository.lock_admins(session):
        msg = "There is an admin already. Ask them to make another, or say --another."
        raise ConflictError(msg)
    email, name = who
    account = await accounts.register(session, email, name, password_hash, Role.ADMIN)
    await record(
        session,
        None,
        Change("account.create", "account", account.id, after={"role": Role.ADMIN.value}),
    )
