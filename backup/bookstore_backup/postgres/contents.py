"""What a database holds: rows, checksums, sequences, and what it is."""

from psycopg import sql

from bookstore_backup.model.manifest import Collation, Contents, Server, Table
from bookstore_backup.postgres.connection import Connection, fetch, fetch_value

# All that pg_dump dumps the rows of: no view has rows of its own, a partitioned table neither, and
# what belongs to an extension comes with it.
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname), n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                  AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
"""
_SEQUENCES = """
SELECT format('%I.%I', s.schemaname, s.sequencename), s.last_value
FROM pg_sequences s WHERE s.last_value IS NOT NULL AND s.increment_by > 0 AND NOT s.cycle
ORDER BY 1
"""
# The sum is the same in any order, and counts a row as often as it is there.
_CHECKSUM = """
SELECT count(*), mod(coalesce(sum(hashtextextended("the row".*::text, 0)::numeric), 0), {modulus})
FROM ONLY {table} AS "the row"
"""
_MODULUS = 2**64
_SERVER = """
SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,
       d.datname, pg_encoding_to_char(d.encoding), to_jsonb(d)
FROM pg_database d WHERE d.datname = current_database()
"""
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin", "d": "default"}
VERSION_TABLE = "alembic_version"

TableName = tuple[str, str, str]


def tables_of(connection: Connection) -> list[TableName]:
    """Return the tables: quoted name, schema, name."""
    return [(row[0], row[1], row[2]) for row in fetch(connection, _TABLES)]


def lock_tables(connection: Connection, tables: list[TableName]) -> None:
    """Keep the tables from being dropped or altered until the transaction ends."""
    for _, schema, name in tables:
        connection.execute(
            sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(sql.Identifier(schema, name))
        )


def read_sequences(connection: Connection) -> dict[str, int]:
    """Return the last value of each sequence that has given one."""
    return {row[0]: row[1] for row in fetch(connection, _SEQUENCES)}


def read_contents(
    connection: Connection, tables: list[TableName], sequences: dict[str, int]
) -> Contents:
    """Return the contents of these tables, read one after another."""
    counted = {quoted: _table(connection, schema, name) for quoted, schema, name in tables}
    objects = fetch_value(connection, "SELECT count(*) FROM pg_largeobject_metadata")
    return Contents(
        tables=counted,
        sequences=sequences,
        large_objects=objects,
        schema_revisions=_revisions(connection, tables),
    )


def read_all(connection: Connection) -> Contents:
    """Return the contents of the whole database."""
    return read_contents(connection, tables_of(connection), read_sequences(connection))


def read_server(connection: Connection) -> Server:
    """Return what the server and the database are."""
    version, major, database, encoding, row = fetch(connection, _SERVER)[0]
    extensions = fetch(connection, "SELECT extname, extversion FROM pg_extension ORDER BY 1")
    return Server(
        version=version,
        major=major,
        system_identifier=_system_identifier(connection),
        database=database,
        encoding=encoding,
        collation=Collation(
            provider=_PROVIDERS.get(row.get("datlocprovider", "c"), "libc"),
            collate=row["datcollate"],
            ctype=row["datctype"],
            locale=row.get("datlocale") or row.get("daticulocale"),
            version=row.get("datcollversion"),
        ),
        extensions=dict(extensions),
    )


def _table(connection: Connection, schema: str, name: str) -> Table:
    query = sql.SQL(_CHECKSUM).format(
        modulus=sql.Literal(_MODULUS), table=sql.Identifier(schema, name)
    )
    rows, checksum = fetch(connection, query)[0]
    return Table(rows=rows, checksum=f"{int(checksum) % _MODULUS:016x}")


def _revisions(connection: Connection, tables: list[TableName]) -> tuple[str, ...]:
    """Return what Alembic's table says in the schemas that have one."""
    found: set[str] = set()
    for _, schema, name in tables:
        if name == VERSION_TABLE:
            query = sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(schema, name))
            found |= {str(row[0]) for row in fetch(connection, query)}
    return tuple(sorted(found))


def _system_identifier(connection: Connection) -> str | None:
    """Return which server this is; None where the role may not ask."""
    allowed = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
    if not fetch_value(connection, allowed):
        return None
    return str(fetch_value(connection, "SELECT system_identifier FROM pg_control_system()"))
