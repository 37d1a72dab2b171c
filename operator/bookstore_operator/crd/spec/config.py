"""`spec.config`: settings of the API."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bookstore_operator.crd.base import (
    Part,
    group,
    rules,
)


class LogLevel(StrEnum):
    """How much the API says in its log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


RateLimit = Annotated[
    str, Field(max_length=30, pattern=r"^(off|[1-9][0-9]{0,8}/(second|minute|hour))$")
]
_HOST = r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)"
Origin = Annotated[str, Field(max_length=253, pattern=rf"^(\*|https?://{_HOST}(:[0-9]{{1,5}})?)$")]
ProxyNetwork = Annotated[
    str,
    Field(
        max_length=43,
        json_schema_extra=rules(
            (
                "isCIDR(self) && cidr(self) == cidr(self).masked()",
                "a trusted proxy is a network such as 10.0.0.0/8 or fd00::/8, "
                "with no bits set behind its prefix",
            )
        ),
    ),
]


class RateLimits(Part):
    """How many requests a client may send, counted by its address."""

    reads: RateLimit | None = Field(
        None,
        description="Of reads, for each API process: `6000/minute`; per second, minute or hour, "
        "or `off`.",
    )
    writes: RateLimit | None = Field(
        None,
        description="Of writes: `600/minute`, or `off`. For all processes together where there is "
        "a cache, else for each.",
    )


class Config(Part):
    """Settings of the API. What is unset is as the image has it for the environment."""

    log_level: LogLevel = Field(LogLevel.INFO, description="How much the API says in its log.")
    drain_seconds: int = Field(
        5,
        ge=0,
        le=300,
        description="From SIGTERM to closing the listening socket, in seconds.",
    )
    shutdown_seconds: int = Field(
        20, ge=1, le=600, description="How long requests in flight may take after that, in seconds."
    )
    database_pool_size: int = Field(
        5, ge=1, le=100, description="Connections that each API process holds open."
    )
    docs: bool | None = Field(None, description="Whether `/docs` and `/openapi.json` are served.")
    cors_origins: Annotated[list[Origin], Field(max_length=50)] | None = Field(
        None,
        description="Web pages of which origins may use the API: `https://shop.example`. All by "
        "`*`, in development only.",
    )
    trusted_proxies: Annotated[list[ProxyNetwork], Field(max_length=50)] | None = Field(
        None,
        description="Networks of the proxies before the API, whose word about a client's address "
        "is taken: `10.0.0.0/8`.",
    )
    rate_limits: RateLimits = group(RateLimits, "How many requests a client may send.")
    max_body_bytes: int | None = Field(
        None, ge=1024, le=100 * 1024 * 1024, description="The largest body of a request, in bytes."
    )
    max_header_bytes: int | None = Field(
        None, ge=1024, le=1024 * 1024, description="The largest head of a request, in bytes."
    )
    header_seconds: int | None = Field(
        None, ge=1, le=300, description="How long a client may take to send a head, in seconds."
    )
    body_seconds: int | None = Field(
        None, ge=1, le=3600, description="How long a client may take to send a body, in seconds."
    )
    connection_max_age_seconds: int | None = Field(
        None,
        ge=1,
        le=86400,
        description="After how long a connection is closed behind an answer, in seconds.",
    )
    redis_timeout_milliseconds: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="How long a request waits for the cache at most, in thousandths of a second.",
    )
