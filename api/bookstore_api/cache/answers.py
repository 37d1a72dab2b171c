"""What Redis says to a command that it does not carry out, and what helps."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
)

from bookstore_api.uris.tls import TlsProblem

FailureCode = Literal[
    "unreachable",
    "authentication-failed",
    "timeout",
    "read-only",
    "out-of-memory",
    "forbidden",
    "not-ready",
    "failed",
]
Explained = tuple[FailureCode, str]

UNKNOWN_NAME = (
    "The name of Redis' host is unknown, or no DNS server answers: check the host of its URI, and "
    "the cluster's DNS."
)
TLS_PROBLEMS: Mapping[TlsProblem, Explained] = MappingProxyType(
    {
        "not-trusted": (
            "unreachable",
            "Redis' certificate is not trusted: give the file of the CA that issued it by "
            "ssl_ca_certs of the URI.",
        ),
        "expired": (
            "unreachable",
            "Redis' certificate has expired, or is not valid yet: renew it, and check both clocks.",
        ),
        "other-host": (
            "unreachable",
            "Redis' certificate is for another host: use a host name that the certificate has.",
        ),
        "revoked": ("unreachable", "Redis' certificate is revoked: renew it."),
        "own-certificate": (
            "authentication-failed",
            "Redis does not trust our certificate, or it has expired, or there is none: mount one, "
            "and name its files by ssl_certfile and ssl_keyfile of the URI.",
        ),
        "files": (
            "failed",
            "A file for TLS is not what the Redis URI says: ssl_ca_certs and ssl_certfile are "
            "certificates in PEM, and ssl_keyfile is the key of ssl_certfile.",
        ),
        "handshake": (
            "unreachable",
            "The TLS handshake with Redis failed: use redis:// if its port has no TLS, and check "
            "the TLS versions of both.",
        ),
    }
)
_NOT_READY = "Redis loads its data, or has lost its primary: wait for it."
_FORBIDDEN: Explained = (
    "forbidden",
    "Redis does not let the user count or cache: allow it +evalsha +script|load +incrby +expire "
    "+set +del +mget +exists and the keys ~bookstore:limits:* ~bookstore:{cache}:*.",
)
_REJECTED: Explained = (
    "authentication-failed",
    "Redis rejected the user or the password: check the secret with its URI.",
)
_CLUSTER: Explained = (
    "failed",
    "Redis is a cluster, which the API can't use: name one that is a single primary.",
)
_ANOTHERS_KEY: Explained = (
    "failed",
    "A key below bookstore:limits: is not a counter of ours: delete it, or give the API a database "
    "of its own (the number in the URI).",
)
# The first that fits.
_BY_TYPE = MappingProxyType[type[Exception], Explained](
    {
        NoPermissionError: _FORBIDDEN,
        ReadOnlyError: (
            "read-only",
            "Redis accepts no writes: it is a replica. Use the address of the primary.",
        ),
        OutOfMemoryError: (
            "out-of-memory",
            "Redis has no memory left: raise its maxmemory, or set a maxmemory-policy that evicts.",
        ),
        MasterDownError: ("not-ready", _NOT_READY),
        ClusterDownError: ("not-ready", _NOT_READY),
        BusyLoadingError: ("not-ready", _NOT_READY),
        AuthenticationError: _REJECTED,
        AuthorizationError: _REJECTED,
        InvalidResponse: ("failed", "What answers is no Redis: check the port of its URI."),
    }
)
# By what the answer has in it, for those that redis-py has no type for. It takes the first word of
# some away.
_BY_TEXT: tuple[tuple[str, Explained], ...] = (
    ("ACL failure in script", _FORBIDDEN),
    ("unknown command", _FORBIDDEN),
    ("DB index is out of range", (
        "failed",
        "Redis has no database of the number in the URI: use a smaller one, such as 0.",
    )),
    ("MISCONF", (
        "read-only",
        "Redis accepts no writes, as it can't save its data: make room on its disk.",
    )),
    ("NOREPLICAS", (
        "read-only",
        "Redis accepts no writes without enough replicas: start them, or lower its "
        "min-replicas-to-write.",
    )),
    ("max number of clients reached", (
        "unreachable", "Redis has no connection to spare: raise its maxclients."
    )),
    ("Connection closed by server", (
        "unreachable",
        "Redis closed the connection: if its port demands TLS, use rediss://; else see its log.",
    )),
    ("protected mode", (
        "authentication-failed", "Redis is in protected mode: give it a password (requirepass)."
    )),
    ("BUSY ", ("not-ready", "Redis runs a script of another client: wait for it.")),
    ("MOVED ", _CLUSTER),
    ("ASK ", _CLUSTER),
    ("TRYAGAIN", _CLUSTER),
    ("wrong kind of value", _ANOTHERS_KEY),
    ("not an integer", _ANOTHERS_KEY),
)  # fmt: skip
_CLUSTER_TYPES = frozenset({"MovedError", "AskError", "TryAgainError", "ClusterCrossSlotError"})


def explain_answer(error: Exception) -> Explained | None:
    """Explain what Redis said; None where it said nothing that is known here."""
    text = str(error)
    for words, explained in _BY_TEXT:
        if words in text:
            return explained
    for kind, explained in _BY_TYPE.items():
        if isinstance(error, kind):
            return explained
    return _CLUSTER if type(error).__name__ in _CLUSTER_TYPES else None
