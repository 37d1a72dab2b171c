"""What the operator knows of an image: docs/reference/contract.md."""

from __future__ import annotations

API_USER = 10001
PUBLIC_PORT = 8000
INTERNAL_PORT = 8001
SECRETS_FOLDER = "/run/secrets/bookstore"
GRACE_SECONDS = 10
"""What a process may need beyond its drain and its shutdown before it is killed."""
