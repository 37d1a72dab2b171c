"""The volumes of the database and of the backups: they grow, and their mismatches are reported."""
