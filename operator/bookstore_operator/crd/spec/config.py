"""`spec.config`: settings of the API."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bookstore_operator.crd.base import Part, group, rules


class LogLevel(StrEnum):
    """The minimum level of the API's log lines."""

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
                "a trusted proxy must be a network such as 10.0.0.0/8 or fd00::/8, "
                "with no host bits set",
            )
        ),
    ),
]


class RateLimits(Part):
    """Limits on the number of requests from one client address."""

    reads: RateLimit | None = Field(
        None,
        description="Limit for reads, applied in each API process separately: a number per "
        "`second`, `minute` or `hour`, or `off`. Example: `6000/minute`.",
    )
    writes: RateLimit | None = Field(
        None,
        description="Limit for writes, in the same format. Applied across all API processes if a "
        "cache is configured, else in each process separately. Example: `600/minute`.",
    )


MailAddress = Annotated[
    str,
    Field(max_length=320, pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"),
]
PublicUrl = Annotated[
    str, Field(max_length=500, pattern=rf"^https?://{_HOST}(:[0-9]{{1,5}})?(/[A-Za-z0-9._~/-]*)?$")
]


class Config(Part):
    """Settings of the API. Unset fields have the image's default for the environment."""

    log_level: LogLevel = Field(LogLevel.INFO, description="Minimum level of the API's log lines.")
    drain_seconds: int = Field(
        5,
        ge=0,
        le=300,
        description="Time from SIGTERM until the API stops accepting connections, in seconds.",
    )
    shutdown_seconds: int = Field(
        20,
        ge=1,
        le=600,
        description="Time limit for requests in flight after `drainSeconds`, in seconds.",
    )
    database_pool_size: int = Field(
        5, ge=1, le=100, description="Number of database connections of each API process."
    )
    docs: bool | None = Field(None, description="Serve `/docs` and `/openapi.json`.")
    cors_origins: Annotated[list[Origin], Field(max_length=50)] | None = Field(
        None,
        description="Origins whose web pages may call the API. Example: `https://shop.example`. "
        "`*` allows all origins, in environment development only.",
    )
    trusted_proxies: Annotated[list[ProxyNetwork], Field(max_length=50)] | None = Field(
        None,
        description="Networks of the proxies in front of the API. The client address that they "
        "add to `X-Forwarded-For` is trusted. Example: `10.0.0.0/8`.",
    )
    rate_limits: RateLimits = group(
        RateLimits, "Limits on the number of requests from one client address."
    )
    max_body_bytes: int | None = Field(
        None, ge=1024, le=100 * 1024 * 1024, description="Maximum size of a request body, in bytes."
    )
    max_header_bytes: int | None = Field(
        None,
        ge=1024,
        le=1024 * 1024,
        description="Maximum size of a request line and its headers, in bytes.",
    )
    header_seconds: int | None = Field(
        None,
        ge=1,
        le=300,
        description="Time limit for receiving a request line and its headers, in seconds.",
    )
    body_seconds: int | None = Field(
        None, ge=1, le=3600, description="Time limit for receiving a request body, in seconds."
    )
    connection_max_age_seconds: int | None = Field(
        None,
        ge=1,
        le=86400,
        description="Maximum age of a client connection, in seconds. An older one is closed after "
        "its current response.",
    )
    redis_timeout_milliseconds: int | None = Field(
        None, ge=1, le=10_000, description="Time limit for a call to the cache, in milliseconds."
    )
    mail_from: MailAddress | None = Field(
        None, description="Sender's address of mails. Example: `shop@books.example`."
    )
    public_url: PublicUrl | None = Field(
        None,
        description="URL of the shop's pages, for links in mails. No mails are sent without it. "
        "Example: `https://shop.example`.",
    )
