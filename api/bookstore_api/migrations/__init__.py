"""The migration scripts, run by bookstore_api.schema."""
