"""Which of PostgreSQL's client tools suit a server."""

from collections.abc import Mapping

from bookstore_backup.errors import BackupError, Code

# From this major on, pg_restore writes `SET transaction_timeout`, which older servers reject.
_TRANSACTION_TIMEOUT = 17


def to_dump(server: int, majors: Mapping[int, str]) -> int:
    """Return the major version whose pg_dump is for this server: its own, or the next newer.

    A newer one than needed would make a dump that the server's own pg_restore can't read.
    """
    suitable = [major for major in majors if major >= server]
    if not suitable:
        raise _none(f"PostgreSQL {server}", f"of {server} or newer", majors)
    return min(suitable)


def to_restore(server: int, client: int, majors: Mapping[int, str]) -> int:
    """Return the major version whose pg_restore reads a dump of `client` into this server."""
    suitable = [
        major
        for major in majors
        if major >= client
        and (
            major <= server
            or max(major, server) < _TRANSACTION_TIMEOUT
            or server >= _TRANSACTION_TIMEOUT
        )
    ]
    if suitable:
        return min(suitable)
    if any(major >= client for major in majors):
        raise BackupError(
            Code.NO_TOOLS,
            f"A dump of pg_dump {client} can't be restored into PostgreSQL {server}: pg_restore "
            f"{_TRANSACTION_TIMEOUT} and later write `SET transaction_timeout`, which that server "
            f"rejects. Restore into PostgreSQL {client}.",
        )
    raise _none(f"a dump of pg_dump {client}", f"of {client} or newer", majors)


def _none(what: str, needed: str, majors: Mapping[int, str]) -> BackupError:
    have = ", ".join(f"{major} in {majors[major]}" for major in sorted(majors)) or "none"
    return BackupError(
        Code.NO_TOOLS,
        f"There are no client tools for {what}: pg_dump and pg_restore {needed} are needed, and "
        f"these are here: {have}. Use the image that is made for this major version, or name the "
        "folder of the tools by --tools.",
    )
