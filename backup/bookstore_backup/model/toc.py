"""Which entries of a dump are left out when it is restored."""

import re

# Only the owner of an extension or of the schema "public" may comment on it, and in a managed
# database that is somebody else. The comments are the ones that CREATE EXTENSION writes anyway.
_LEFT_OUT = re.compile(r"^\d+; \d+ \d+ COMMENT - (EXTENSION |SCHEMA public )", re.MULTILINE)


def entries_to_restore(listing: str) -> str:
    """Return the list of entries for `pg_restore --use-list`, from that of `--list`."""
    lines = [line for line in listing.splitlines() if not _LEFT_OUT.match(line)]
    return "\n".join([*lines, ""])
