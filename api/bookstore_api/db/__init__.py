"""The database: its engines and pools, sessions on them, the schema and its migrations."""
