"""What differs between what was backed up and what was restored."""

from bookstore_backup.model.manifest import Contents, Server

SHARP_FALL = 2
MOST_SHOWN = 5


def differences(expected: Contents, found: Contents) -> list[str]:
    """Return a sentence for each difference; none if all that was backed up is there.

    A sequence gives numbers outside transactions, so it may be ahead of the snapshot. Behind it,
    it would give numbers a second time.
    """
    texts = [f"the table {name} is missing" for name in expected.tables if name not in found.tables]
    texts += [
        f"the table {name} was not backed up"
        for name in found.tables
        if name not in expected.tables
    ]
    for name, table in expected.tables.items():
        other = found.tables.get(name, table)
        if other.rows != table.rows:
            texts.append(f"the table {name} has {other.rows} rows instead of {table.rows}")
        elif other.checksum != table.checksum:
            texts.append(f"the table {name} has {table.rows} rows as it should, but other content")
    for name, value in expected.sequences.items():
        last = found.sequences.get(name)
        if last is None:
            texts.append(f"the sequence {name} is missing")
        elif last < value:
            texts.append(f"the sequence {name} is at {last} instead of {value}")
    if found.large_objects != expected.large_objects:
        texts.append(
            f"there are {found.large_objects} large objects instead of {expected.large_objects}"
        )
    if found.schema_revisions != expected.schema_revisions:
        texts.append(
            f"the schema is at {_listed(found.schema_revisions)} instead of "
            f"{_listed(expected.schema_revisions)}"
        )
    return texts


def locale_differences(expected: Server, found: Server) -> list[str]:
    """Return what is different of two databases beside their content."""
    texts = []
    if expected.collation.version != found.collation.version:
        texts.append(
            f"the collation version was {expected.collation.version} and is "
            f"{found.collation.version}: text may sort differently"
        )
    settings = ("provider", "collate", "ctype", "locale")
    texts += [
        f"the locale's {setting} was {getattr(expected.collation, setting)!r} and is "
        f"{getattr(found.collation, setting)!r}"
        for setting in settings
        if getattr(expected.collation, setting) != getattr(found.collation, setting)
    ]
    return texts


def sharp_falls(before: Contents, now: Contents) -> list[str]:
    """Return what is far less than in the backup before: data may have been lost before it."""
    texts = []
    if before.rows > 0 and now.rows * SHARP_FALL < before.rows:
        texts.append(f"all tables together have {now.rows} rows, and had {before.rows}")
    gone = [name for name, table in before.tables.items() if table.rows and name not in now.tables]
    texts += [f"the table {name} is gone" for name in gone]
    return texts


def summary(texts: list[str]) -> str:
    """Return the first few of many texts as a sentence's part."""
    shown = "; ".join(texts[:MOST_SHOWN])
    more = len(texts) - MOST_SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _listed(revisions: tuple[str, ...]) -> str:
    return ", ".join(revisions) or "no revision"
