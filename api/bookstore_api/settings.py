"""What can be set, where it is read from, and what a wrong setting is answered with."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "BOOKSTORE_"
DEVELOPMENT_DATABASE = "sqlite:///bookstore.db"

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
Network = IPv4Network | IPv6Network
RateLimit = Annotated[
    str, Field(pattern=r"^(off|[1-9][0-9]{0,8}/(second|minute|hour))$", examples=["600/minute"])
]


def _listed(value: Any) -> Any:
    """Split a variable at its commas."""
    if isinstance(value, str):
        return tuple(part for each in value.split(",") if (part := each.strip()))
    return value


class SettingsError(Exception):
    """The settings can't be used; the message says which and what to do, without their values."""


class Environment(StrEnum):
    """Where this process runs. The container image says production."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """The settings of one process, from variables named BOOKSTORE_… and a folder of secrets."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Environment = Environment.DEVELOPMENT
    debug: bool = False
    docs: bool = True

    secrets_dir: Path = Path("/run/secrets/bookstore")
    database_url: SecretStr | None = None
    database_direct_url: SecretStr | None = None
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 5
    migration_lock_seconds: Seconds = 60
    redis_url: SecretStr | None = None
    redis_timeout_seconds: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 0.1
    staff_token: SecretStr | None = None

    host: str | None = None
    port: Port = 8000
    internal_host: str | None = None
    internal_port: Port = 8001
    drain_seconds: Seconds = 5
    shutdown_seconds: Seconds = 20
    connection_max_age_seconds: Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)] = 300

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] | None = None

    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_listed)] = ()
    max_body_bytes: Annotated[int, Field(ge=1024, le=100 * 1024 * 1024)] = 1024 * 1024
    max_header_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024)] = 32 * 1024
    header_seconds: Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)] = 10
    body_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 30
    rate_limit_reads: RateLimit = "6000/minute"
    rate_limit_writes: RateLimit = "600/minute"

    revision: str = ""
    colour: str = ""
    image: str = ""

    @property
    def production(self) -> bool:
        """Whether unsafe conveniences are off."""
        return self.environment is Environment.PRODUCTION

    @property
    def public_host(self) -> str:
        """The address of the public port."""
        return self.host or self._default_host

    @property
    def private_host(self) -> str:
        """The address of the internal port."""
        return self.internal_host or self._default_host

    @property
    def _default_host(self) -> str:
        return "0.0.0.0" if self.production else "127.0.0.1"  # noqa: S104 - a container's own network

    def database_uri(self, *, direct: bool = False) -> str:
        """Read the database's URI as it is now: the mounted secret, else the variable, else SQLite.

        With `direct`, a URI that bypasses a connection pooler is preferred where one is mounted.
        Read it again for each new connection: a rotated password then needs no restart.

        Raises SettingsError in production when there is none.
        """
        names = ("direct-uri", "uri") if direct else ("uri",)
        for name in names:
            if secret := self._read_secret(self.secrets_dir / "database" / name):
                return secret
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        if self.production:
            msg = (
                "No database is set. In production, mount a secret with the file "
                f"{self.secrets_dir / 'database' / 'uri'}, or set {PREFIX}DATABASE_URL, to a URI "
                "like postgresql://user:password@host:5432/bookstore. To try it out on a SQLite "
                f"file instead, set {PREFIX}ENVIRONMENT=development."
            )
            raise SettingsError(msg)
        return DEVELOPMENT_DATABASE

    def redis_uri(self) -> str | None:
        """Read the URI of Redis as it is now: the mounted secret, else the variable, else None.

        Read it again for each new connection: a rotated password then needs no restart.
        """
        if secret := self._read_secret(self.secrets_dir / "redis" / "uri"):
            return secret
        return self.redis_url.get_secret_value() if self.redis_url else None

    @staticmethod
    def _read_secret(path: Path) -> str | None:
        try:
            return path.read_text(encoding="utf-8").strip() or None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            kind = type(error).__name__
            msg = f"The secret {path} can't be read ({kind}): check its owner and mode."
            raise SettingsError(msg) from None


def load_settings() -> Settings:
    """Read the settings of this process; raises SettingsError naming every wrong one."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = (
            f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError("Wrong settings. " + "; ".join(wrong)) from None
