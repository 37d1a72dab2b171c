"""Accounts: who signs in, with what password, and for how long."""
