"""The database and PostgreSQL's own client tools."""
