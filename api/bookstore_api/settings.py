"""What can be set, where it is read from, and what a wrong setting is answered with."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "BOOKSTORE_"
DEVELOPMENT_DATABASE = "sqlite:///bookstore.db"

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]


class SettingsError(Exception):
    """The settings can't be used; the message says which and what to do, without their values."""


class Environment(StrEnum):
    """Where this process runs. The container image says production."""

    DEVELOPMENT = "development"
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
    database_url: SecretStr | None = None
    secrets_dir: Path = Path("/run/secrets/bookstore")
    host: str | None = None
    port: Port = 8000
    internal_host: str | None = None
    internal_port: Port = 8001
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] | None = None
    drain_seconds: Seconds = 5
    shutdown_seconds: Seconds = 20
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 5
    migration_lock_seconds: Seconds = 60
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
