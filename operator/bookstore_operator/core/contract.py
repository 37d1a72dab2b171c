"""What the operator assumes about an image: docs/reference/contract.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.checks import MOST_HEADS, Answer, Connections, Heads, Share
from bookstore_operator.crd.release import Color
from bookstore_operator.crd.spec.config import Config
from bookstore_operator.crd.text import REVISION_LENGTH, fit

API_USER = 10001
"""The uid that the API's image runs as."""

# Commands -----------------------------------------------------------------------------------

SERVE = ("serve",)
MIGRATE = ("migrate", "--to")
"""Followed by the branch to migrate."""
CONTRACT = ("contract",)
CHECK_SCHEMA = ("check-schema",)
SMOKE = ("smoke",)

VERSIONS = frozenset({1})
"""The versions of the contract that this operator knows."""
DESCRIBED = "described"
PASSED, FAILED = "passed", "failed"
CURRENT, AHEAD, BEHIND, INCOMPATIBLE = "current", "ahead", "behind", "incompatible"
GRACE_SECONDS = 10
"""Time after drain and shutdown until the kubelet kills a process, in seconds."""

UNREACHABLE = "unreachable"
AUTHENTICATION_FAILED = "authentication-failed"
LOCKED = "locked"
RETRY_REASONS: Mapping[str, Reason] = {
    UNREACHABLE: Reason.DATABASE_UNREACHABLE,
    AUTHENTICATION_FAILED: Reason.DATABASE_AUTHENTICATION_FAILED,
    LOCKED: Reason.DATABASE_LOCKED,
}
"""Codes of failures that do not count as attempts, and their reasons in conditions."""
NOT_BEGUN = frozenset({AUTHENTICATION_FAILED, LOCKED})
"""Codes of migrations that have changed nothing. One that is unreachable may have lost its
connection in the middle."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The content of a command's termination message."""

    code: str = ""
    message: str = ""
    schema_before: tuple[str, ...] | None = None
    """None if the command did not say."""
    schema_after: tuple[str, ...] = ()
    answer: Answer = field(default_factory=Answer)


def read_outcome(data: Mapping[str, Any]) -> Outcome:
    """Return the outcome in the JSON object of a termination message.

    Fields that are missing or have another type are empty: any image may have written it.
    """
    before = data.get("schemaBefore")
    return Outcome(
        code=fit(str(data.get("code", ""))),
        message=fit(str(data.get("message") or "")),
        schema_before=None if not isinstance(before, list) else tuple(_revisions(before)),
        schema_after=tuple(_revisions(data.get("schemaAfter"))),
        answer=Answer(
            contract=_number(data.get("contract")),
            version=str(data.get("version") or ""),
            heads=_heads(data.get("heads")),
            connections_per_pod=_number(data.get("connectionsPerPod")),
            connections=_connections(data.get("connections")),
        ),
    )


def _revisions(value: Any) -> list[str]:
    if not isinstance(value, list):
        return []
    return [fit(str(revision), REVISION_LENGTH) for revision in value]


def _heads(value: Any) -> Heads | None:
    if not isinstance(value, Mapping):
        return None
    expand, contract = (_revisions(value.get(branch)) for branch in ("expand", "contract"))
    return Heads(expand=expand[:MOST_HEADS], contract=contract[:MOST_HEADS])


def _connections(value: Any) -> Connections | None:
    if not isinstance(value, Mapping):
        return None
    server, role, database = (_share(value.get(key)) for key in ("server", "role", "database"))
    pooled = value.get("pooled") is not False  # what is not said can't be counted on
    return Connections(server=server, role=role, database=database, pooled=pooled)


def _share(value: Any) -> Share | None:
    """Return a limit; None if it is unknown. A limit of null means that there is none."""
    if not isinstance(value, Mapping) or "limit" not in value:
        return None
    limit, held = _number(value["limit"]), _number(value.get("heldByOthers"))
    if held is None or (limit is None and value["limit"] is not None):
        return None
    return Share(limit=limit, held_by_others=held)


_LARGEST = 2**31 - 1


def _number(value: Any) -> int | None:
    is_one = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    return value if is_one else None


# Ports and paths ----------------------------------------------------------------------------

PUBLIC_PORT = 8000
INTERNAL_PORT = 8001
LIVENESS_PATH = "/livez"
READINESS_PATH = "/readyz"
HEALTH_PATH = "/health"
METRICS_PATH = "/metrics"
VERSION_PATH = "/version"

# Mounted secrets ----------------------------------------------------------------------------

SECRETS_FOLDER = "/run/secrets/bookstore"
DATABASE_FOLDER = "database"
URI_FILE = "uri"
DIRECT_URI_FILE = "direct-uri"
STAFF_FOLDER = "staff"
TOKEN_FILE = "token"  # noqa: S105 - the name of a file
REDIS_FOLDER = "redis"
SIGNING_FOLDER = "signing"
KEYS_FILE = "keys"
SMTP_FOLDER = "smtp"
OWN_SECRET_PREFIX = "own-"  # noqa: S105 - no secret
"""The names of the volumes of `spec.secretMounts` begin with it."""

DATABASE_SCHEMES = frozenset({"postgresql", "postgres"})
REDIS_SCHEMES = frozenset({"redis", "rediss"})
SMTP_SCHEMES = frozenset({"smtp", "smtps"})
MOST_SIGNING_KEYS = 8
"""How many keys a key set may have."""
TOKEN_SECONDS = 15 * 60 + 30
"""For how long after its signing an access token may be accepted, with the tolerance for clocks."""
SHORTEST_TOKEN = 32
"""Minimum length of the token in characters; with less the API does not start in production."""

# Settings -----------------------------------------------------------------------------------


def environment(spec: BookStoreSpec, revision: int, color: Color) -> dict[str, str]:
    """Return the environment variables of a release's processes."""
    return {
        "BOOKSTORE_ENVIRONMENT": spec.environment.value,
        "BOOKSTORE_HOST": "::",  # a Pod is reached from outside it, by either family
        "BOOKSTORE_PORT": str(PUBLIC_PORT),
        "BOOKSTORE_INTERNAL_HOST": "::",  # the kubelet asks from outside
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
    """Return the variables that the BookStore sets; the image has defaults for all others."""
    settings = {
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
        "REDIS_TIMEOUT_SECONDS": _seconds(config.redis_timeout_milliseconds),
        "MAIL_FROM": config.mail_from,
        "PUBLIC_URL": config.public_url,
    }
    return {
        f"BOOKSTORE_{name}": _as_text(value)
        for name, value in settings.items()
        if value is not None
    }


def _as_text(value: bool | int | str | list[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)


def _seconds(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else f"{milliseconds / 1000:g}"
