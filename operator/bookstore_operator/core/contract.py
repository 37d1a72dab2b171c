"""All that the operator knows of an image: docs/reference/contract.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.release import Color
from bookstore_operator.crd.spec.config import Config

API_USER = 10001
"""The number of the user that it runs as."""

# Commands -----------------------------------------------------------------------------------

SERVE = ("serve",)
EXPAND = ("migrate", "--to", "expand")
GRACE_SECONDS = 10
"""What a process may need beyond its drain and its shutdown before it is killed."""

UNREACHABLE = "unreachable"
REFUSED_CREDENTIALS = "authentication-failed"
LOCKED = "locked"
RETRY_REASONS: Mapping[str, Reason] = {
    UNREACHABLE: Reason.DATABASE_UNREACHABLE,
    REFUSED_CREDENTIALS: Reason.DATABASE_AUTHENTICATION_FAILED,
    LOCKED: Reason.DATABASE_LOCKED,
}
"""Codes that say nothing against the release, and what they are called in conditions."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command writes into its termination message."""

    code: str = ""
    message: str = ""
    schema_after: tuple[str, ...] = ()


def read_outcome(written: Mapping[str, Any]) -> Outcome:
    """Read the JSON object of a termination message; what it leaves out is empty."""
    return Outcome(
        code=str(written.get("code", "")),
        message=str(written.get("message") or ""),
        schema_after=tuple(map(str, written.get("schemaAfter") or ())),
    )


# Ports and paths ----------------------------------------------------------------------------

PUBLIC_PORT = 8000
INTERNAL_PORT = 8001
LIVENESS_PATH = "/livez"
READINESS_PATH = "/readyz"
HEALTH_PATH = "/health"
METRICS_PATH = "/metrics"

# Mounted secrets ----------------------------------------------------------------------------

SECRETS_FOLDER = "/run/secrets/bookstore"
DATABASE_FOLDER = "database"
URI_FILE = "uri"
DIRECT_URI_FILE = "direct-uri"
STAFF_FOLDER = "staff"
TOKEN_FILE = "token"  # noqa: S105 - the name of a file
REDIS_FOLDER = "redis"

DATABASE_SCHEMES = frozenset({"postgresql", "postgres"})
REDIS_SCHEMES = frozenset({"redis", "rediss"})
SHORTEST_TOKEN = 32
"""Characters: below that the API in production will not start."""

# Settings -----------------------------------------------------------------------------------


def environment(spec: BookStoreSpec, revision: int, color: Color) -> dict[str, str]:
    """Return the variables that a process of a release gets."""
    return {
        "BOOKSTORE_ENVIRONMENT": spec.environment.value,
        "BOOKSTORE_HOST": "0.0.0.0",  # noqa: S104 - a Pod is reached from outside it
        "BOOKSTORE_PORT": str(PUBLIC_PORT),
        "BOOKSTORE_INTERNAL_HOST": "0.0.0.0",  # noqa: S104 - the kubelet asks from outside
        "BOOKSTORE_INTERNAL_PORT": str(INTERNAL_PORT),
        "BOOKSTORE_SECRETS_DIR": SECRETS_FOLDER,
        "BOOKSTORE_LOG_LEVEL": spec.config.log_level.value,
        "BOOKSTORE_LOG_FORMAT": "json",
        "BOOKSTORE_DRAIN_SECONDS": str(spec.config.drain_seconds),
        "BOOKSTORE_SHUTDOWN_SECONDS": str(spec.config.shutdown_seconds),
        "BOOKSTORE_DATABASE_POOL_SIZE": str(spec.config.database_pool_size),
        **_configured(spec.config),
        "BOOKSTORE_REVISION": str(revision),
        "BOOKSTORE_COLOR": color.value,
        "BOOKSTORE_IMAGE": spec.image,
    }


def _configured(config: Config) -> dict[str, str]:
    """Return what the BookStore sets; all else is as the image has it for the environment."""
    chosen = {
        "DOCS": config.docs,
        "CORS_ORIGINS": config.cors_origins,
        "TRUSTED_PROXIES": config.trusted_proxies,
        "RATE_LIMIT_READS": config.rate_limits.reads,
        "RATE_LIMIT_WRITES": config.rate_limits.writes,
        "MAX_BODY_BYTES": config.max_body_bytes,
        "MAX_HEADER_BYTES": config.max_header_bytes,
        "HEADER_SECONDS": config.header_seconds,
        "BODY_SECONDS": config.body_seconds,
        "CONNECTION_MAX_AGE_SECONDS": config.connection_max_age_seconds,
        "REDIS_TIMEOUT_SECONDS": _thousandths(config.redis_timeout_milliseconds),
    }
    return {
        f"BOOKSTORE_{name}": _written(value) for name, value in chosen.items() if value is not None
    }


def _written(value: bool | int | str | list[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)


def _thousandths(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else f"{milliseconds / 1000:g}"
