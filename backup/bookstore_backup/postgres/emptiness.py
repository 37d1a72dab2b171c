"""The proof by the catalog that a database is empty."""

from bookstore_backup.postgres.connection import Connection, fetch

# Whatever a new database has of template0 has an OID below this (FirstNormalObjectId).
_FIRST_OF_USERS = 16384
_CONTENT = f"""
WITH extended AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
content (class, oid, what) AS (
  SELECT 'pg_class'::regclass, c.oid, format('the relation %I.%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  UNION ALL SELECT 'pg_proc'::regclass, p.oid, format('the function %I', p.proname)
    FROM pg_proc p
  UNION ALL SELECT 'pg_type'::regclass, t.oid, format('the type %I', t.typname)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typrelid = 0 AND t.typelem = 0 AND n.nspname NOT LIKE 'pg\\_%'
  UNION ALL SELECT 'pg_namespace'::regclass, n.oid, format('the schema %I', n.nspname)
    FROM pg_namespace n WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'public'
  UNION ALL SELECT 'pg_extension'::regclass, e.oid, format('the extension %I', e.extname)
    FROM pg_extension e
  UNION ALL SELECT 'pg_largeobject_metadata'::regclass, l.oid, format('the large object %s', l.oid)
    FROM pg_largeobject_metadata l
)
SELECT what FROM content WHERE oid >= {_FIRST_OF_USERS}
  AND (class, oid) NOT IN (SELECT classid, objid FROM extended)
ORDER BY what LIMIT 50
"""  # noqa: S608 - a number of ours


def content_of(connection: Connection) -> list[str]:
    """Return what a database has beside what every new one has; at most 50 of it."""
    return [str(row[0]) for row in fetch(connection, _CONTENT)]
