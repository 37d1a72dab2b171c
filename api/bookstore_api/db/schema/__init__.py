"""The database's schema over time: its revisions, which of them are applied, applying more."""
