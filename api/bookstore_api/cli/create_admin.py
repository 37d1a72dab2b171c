"""`bookstore-api create-admin`."""

import sys
from typing import Annotated

import typer
from pydantic import BaseModel, ValidationError

from bookstore_api.auth.passwords import MIN_LENGTH, Passwords, weakness
from bookstore_api.auth.principal import Role
from bookstore_api.cli.command import open_direct_database, run_command
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.errors import ConflictError
from bookstore_api.process.interrupt import run_interruptible
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Settings
from bookstore_api.settings.policy import OF_THE_DATABASE
from bookstore_api.shop.accounts.first_admin import create_admin as create
from bookstore_api.shop.accounts.schemas import DisplayName, Email, NewPassword

COMMAND = "create-admin"


class _Admin(BaseModel):
    """An admin as the options describe one."""

    email: Email
    display_name: DisplayName
    password: NewPassword


def create_admin(
    email: Annotated[str, typer.Option(help="The e-mail address to sign in with.")],
    name: Annotated[str, typer.Option(help="The name that is shown.")] = "Admin",
    another: Annotated[
        bool, typer.Option("--another", help="Make one though there is an admin already.")
    ] = False,
) -> None:
    """Make the account of the first admin.

    The password is asked for on a terminal, else it is the first line of standard input.

    Exit codes: 0 created, 1 failed, or there is an admin already.
    """

    async def work(settings: Settings, admin: _Admin) -> CommandResult:
        passwords = Passwords()
        password_hash = await passwords.hash(admin.password.get_secret_value())
        passwords.close()

        async def write(session: WriteSession) -> None:
            await create(session, (admin.email, admin.display_name), password_hash, another=another)

        async with open_direct_database(settings) as database:
            try:
                await database.write(write)
            except ConflictError as error:
                return CommandResult(COMMAND, "failed", str(error))
        return CommandResult(COMMAND, "created", f"The account is an {Role.ADMIN}: sign in.")

    def run(settings: Settings) -> CommandResult:
        admin = _read(email, name)
        if isinstance(admin, str):
            return CommandResult(COMMAND, "failed", admin)
        return run_interruptible(work(settings, admin))

    run_command(COMMAND, run, enforced=OF_THE_DATABASE)


def _read(email: str, name: str) -> _Admin | str:
    """Read the password and check all; what is wrong, if anything is, without a value."""
    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    try:
        admin = _Admin.model_validate({"email": email, "display_name": name, "password": password})
    except ValidationError as error:
        fields = sorted({str(item["loc"][0]) for item in error.errors(include_input=False)})
        rule = f"a password takes {MIN_LENGTH} characters or more"
        return f"Not valid: {', '.join(fields)} ({rule})."
    problem = weakness(password, email=email)
    return f"The password can't be used. {problem}." if problem else admin
