"""What a server finds wrong with the parameters that a session begins with."""

import asyncpg  # type: ignore[import-untyped]  # it ships no types

# Of SQLSTATEs: a value that is none, and a name or syntax that is not known.
_WRONG_PARAMETER = ("22", "42")


def explain_startup(error: asyncpg.PostgresError) -> str | None:
    """Return what is wrong with the URI; None for an error of any other kind.

    The same codes come from statements. So this is only for errors of a session that begins.
    """
    state = error.sqlstate or ""
    if state == asyncpg.InsufficientPrivilegeError.sqlstate or state[:2] not in _WRONG_PARAMETER:
        return None
    return (
        "The server rejects a parameter that the session begins with: check `options` of the "
        "database URI; the server's log names the parameter."
    )
