"""Dumps of the database on a schedule."""
