"""The keys that access tokens of accounts are signed with, and their rotation."""
