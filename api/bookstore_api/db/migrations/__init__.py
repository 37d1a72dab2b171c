"""The migration scripts, run by bookstore_api.db.schema."""
