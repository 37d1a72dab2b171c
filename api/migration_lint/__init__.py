"""Lints the API's migrations: a tool of those who write them, which no image has."""
