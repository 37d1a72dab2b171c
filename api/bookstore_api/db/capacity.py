"""How many connections the database allows, and how many of them others hold.

A release runs two colors side by side for a while. Whether both fit is a question of the server's
limits (https://www.postgresql.org/docs/current/runtime-config-connection.html), of the role's and
of the database's (`CONNECTION LIMIT`), and of what else is connected.
"""

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from bookstore_api.db.driver import Connection

_SETTINGS = text(
    "SELECT name, setting::int FROM pg_settings WHERE name IN "
    "('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
)
# NULL for who may see no more of a session than that it exists: those are other roles' sessions.
_SESSIONS = text(
    "SELECT count(*) AS all_sessions, "
    "count(*) FILTER (WHERE usename = current_user) AS of_role, "
    "count(*) FILTER (WHERE datname = current_database()) AS of_database, "
    "count(*) FILTER (WHERE usename = current_user AND datname = current_database() "
    "AND application_name = current_setting('application_name')) AS own "
    "FROM pg_stat_activity "
    "WHERE usename IS NOT NULL AND (backend_type IS NULL OR backend_type = 'client backend')"
)
_LIMITS = text(
    "SELECT (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user AND NOT rolsuper) "
    "AS of_role, (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) "
    "AS of_database"
)

Capacity = Mapping[str, Any]
"""`{"server": SHARE, "role": SHARE, "database": SHARE, "pooled": bool}`, where a SHARE is
`{"limit": 97, "heldByOthers": 3}`; a limit of None means that there is none."""


async def read_capacity(connection: AsyncConnection) -> Capacity | None:
    """Return the limits of connections, and how many connections are not this application's.

    This application's are those of the same role, database and `application_name`, of every
    process. Through a connection pooler (`pooled`) the numbers are those of the server behind it,
    and say nothing about the pooler's own limits. None on a database that is not PostgreSQL, or
    that does not answer these questions.
    """
    if connection.dialect.name != "postgresql":
        return None
    try:
        settings = {row.name: row.setting for row in await connection.execute(_SETTINGS)}
        sessions = (await connection.execute(_SESSIONS)).mappings().one()
        limits = (await connection.execute(_LIMITS)).mappings().one()
    except DBAPIError:
        await connection.rollback()
        return None
    own = sessions["own"]
    reserved = settings.get("superuser_reserved_connections", 0)
    reserved += settings.get("reserved_connections", 0)  # PostgreSQL 16 and later
    driver = (await connection.get_raw_connection()).driver_connection
    return {
        "server": _share(settings["max_connections"] - reserved, sessions["all_sessions"] - own),
        "role": _share(limits["of_role"], sessions["of_role"] - own),
        "database": _share(limits["of_database"], sessions["of_database"] - own),
        "pooled": await cast("Connection", driver).is_pooled(),
    }


def _share(limit: int | None, held_by_others: int) -> Mapping[str, int | None]:
    unlimited = limit is None or limit < 0
    return {"limit": None if unlimited else limit, "heldByOthers": held_by_others}
