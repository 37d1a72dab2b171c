"""Backups of a BookStore's database: taken, verified, restored, rehearsed."""

__version__ = "0.1.0"
