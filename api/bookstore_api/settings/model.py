"""Every setting: its name, type, default and meaning."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bookstore_api.settings.sources import FILES, SettingsError, layers, read_mounted
from bookstore_api.settings.values import (
    DatabaseUri,
    Environment,
    Folder,
    Host,
    MailFrom,
    Networks,
    Origins,
    Port,
    PublicUrl,
    RateLimit,
    RedisUri,
    Seconds,
    SigningKeys,
    SmtpUri,
    StaffToken,
    Text,
    WebhookSecrets,
    Word,
)

PREFIX = "BOOKSTORE_"


def variable_of(setting: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + setting.upper()


class Settings(BaseSettings):
    """The settings of one process.

    Read from the defaults here, the TOML file of the environment, variables named BOOKSTORE_… and
    mounted secrets: the later wins. Arguments win over all of them.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Environment = Field(
        Environment.DEVELOPMENT,
        description="`development` (or `dev`), `staging` or `production` (or `prod`): selects "
        "defaults, and which values are rejected. The image sets `production`",
    )
    debug: bool = Field(
        False,
        description="whether tracebacks on a console show the values of variables, in "
        "development only",
    )
    docs: bool = Field(True, description="whether `/docs` and `/openapi.json` are served")

    secrets_dir: Folder = Field(
        Path("/run/secrets/bookstore"),
        description="the folder of the mounted secrets (see below), which override variables and "
        "are read whenever they are used",
    )
    database_url: DatabaseUri | None = Field(
        None,
        description="any libpq-style URI (`postgresql://…?sslmode=…`); in development also "
        "`sqlite:///path`",
    )
    database_direct_url: DatabaseUri | None = Field(
        None,
        description="the same, bypassing a connection pooler; `migrate` and `check-schema` "
        "prefer it",
    )
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        5,
        description="the maximum number of connections that a process opens, besides one for its "
        "health checks",
    )
    disk_min_free_bytes: Annotated[int, Field(ge=0, le=1024**6)] = Field(
        64 * 1024 * 1024,
        description="a disk with less free space is reported as degraded in `/health`",
    )
    migration_lock_seconds: Seconds = Field(
        60,
        description="how long `migrate` waits for another migration to end, and how long "
        "each revision waits for table locks",
    )
    redis_url: RedisUri | None = Field(
        None,
        description="`redis://:password@host:6379/0`, or `rediss://` for TLS, of one primary (no "
        "Sentinels, no cluster); `valkey://` and `valkeys://` are the same",
    )
    redis_timeout_seconds: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = Field(
        0.1, description="how long a request waits for Redis before it continues without it"
    )
    cache_seconds: Annotated[int, Field(ge=0, le=3600)] = Field(
        30,
        description="how long Redis keeps answers to public reads: the maximum age of one after "
        "an invalidation was lost; `0` turns the cache of answers off. Without Redis there is none",
    )
    cache_local_seconds: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = Field(
        1,
        description="how long a process answers from its own copy, and so does not see what was "
        "changed by way of another one",
    )
    staff_token: StaffToken | None = Field(
        None,
        description="the token that a write must send as `Authorization: Bearer …`. In "
        "development, writes need none while it is not set",
    )

    signing_keys: SigningKeys | None = Field(
        None,
        description="the keys that access tokens of accounts are signed with, one line of JSON: "
        '`{"signing": "k1", "keys": {"k1": "…"}}`. Without it nobody can sign in; in development, '
        "each process then uses a random key",
    )
    smtp_url: SmtpUri | None = Field(
        None,
        description="`smtp://user:password@host:587` (with STARTTLS), `smtps://…:465` (TLS), or "
        "`smtp://host?tls=off`; without it, mails wait in the outbox until they expire",
    )
    mail_from: MailFrom = Field("bookstore@localhost", description="the sender's address of mails")
    public_url: PublicUrl | None = Field(
        None,
        description="the URL of the shop's pages, such as `https://shop.example`, for links in "
        "mails; without it, no mails are sent",
    )

    payment_provider: Annotated[Literal["none", "test"], Word] = Field(
        "none",
        description="`none`, or `test`, which takes no money and is rejected in production; "
        "without one, nothing can be paid",
    )
    payment_secrets: WebhookSecrets | None = Field(
        None,
        description="the secrets that the payment provider signs its events with, `whsec_…`, "
        "several separated by spaces while they are rotated; without it, events are answered 503",
    )

    host: Host = Field(
        "127.0.0.1", description="the address of the public port; `::` for all of IPv4 and IPv6"
    )
    port: Port = Field(8000, description="the public port (0: any free one, printed in the log)")
    internal_host: Host = Field(
        "127.0.0.1", description="the address of the internal port; `::` for all of IPv4 and IPv6"
    )
    internal_port: Port = Field(8001, description="the internal port (0: any free one)")
    drain_seconds: Seconds = Field(
        5,
        description="the time between SIGTERM and closing the listening socket, while answers "
        "have `Connection: close`",
    )
    shutdown_seconds: Seconds = Field(
        20, description="the time limit for requests in flight after that"
    )
    connection_max_age_seconds: Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)] = (
        Field(300, description="the approximate maximum age of a client connection")
    )

    log_level: Annotated[Literal["debug", "info", "warning", "error"], Word] = Field(
        "info", description="`debug`, `info`, `warning` or `error`"
    )
    log_format: Annotated[Literal["json", "console"], Word] | None = Field(
        None,
        description="`json`, or `console` (human-readable). If not set: `console` on a terminal, "
        "else `json`",
    )

    cors_origins: Origins = Field(
        (),
        description="origins whose pages may call the API, separated by commas; `*` for any (in "
        "development only)",
    )
    trusted_proxies: Networks = Field(
        (), description="networks whose `X-Forwarded-For` is trusted, separated by commas"
    )
    max_body_bytes: Annotated[int, Field(ge=1024, le=100 * 1024 * 1024)] = Field(
        1024 * 1024, description="the maximum size of a request body"
    )
    max_header_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024)] = Field(
        32 * 1024, description="the maximum size of a request head (request line and headers)"
    )
    header_seconds: Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)] = Field(
        10, description="how long a request head may take to arrive"
    )
    body_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = Field(
        30, description="how long a body may take to arrive"
    )
    rate_limit_reads: RateLimit = Field(
        "6000/minute",
        description="how many reads a client may send to one process, per `second`, `minute` or "
        "`hour`; or `off`",
    )
    rate_limit_writes: RateLimit = Field(
        "600/minute",
        description="the same for writes, to all processes together",
    )

    revision: Text = Field(
        "",
        description="set by the operator; shown by `/version`, in each log line, and in the "
        "header `Bookstore-Revision` of each answer of the app",
    )
    color: Text = Field(
        "", description="set by the operator; shown by `/version` and in each log line"
    )
    image: Text = Field("", description="set by the operator; shown by `/version`")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no such file is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours are in folders
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of values, the strongest first."""
        return layers(settings_cls, init_settings, env_settings)

    @property
    def production(self) -> bool:
        """Whether unsafe conveniences are off: everywhere but in development."""
        return self.environment is not Environment.DEVELOPMENT

    def database_uri(self, *, direct: bool = False) -> str:
        """Read the current URI of the database, as `secret_now` does.

        With `direct`, a URI that bypasses a connection pooler is preferred where one is set.

        Raises SettingsError when there is none, too.
        """
        uri = self.secret_now("database_direct_url") if direct else None
        if uri := uri or self.secret_now("database_url"):
            return uri
        file, variable = self.secrets_dir / FILES["database_url"], variable_of("database_url")
        msg = f"No database is set: mount a secret with the file {file}, or set {variable}."
        raise SettingsError(msg)

    def secret_now(self, setting: str) -> str | None:
        """Read the current value of a secret: the mounted file, else what was set at the start.

        Read it again for each use: a rotated password then needs no restart. A file that was
        removed since the start changes nothing: removing a staff token opens no writes.

        Raises SettingsError where the file can't be read.
        """
        secret: SecretStr | None = getattr(self, setting)
        at_start = secret.get_secret_value() if secret else None
        return read_mounted(self.secrets_dir, setting) or at_start
