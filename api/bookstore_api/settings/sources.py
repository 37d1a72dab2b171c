"""Where settings are read from: a file per environment, variables, mounted secrets."""

from pathlib import Path
from types import MappingProxyType

from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

from bookstore_api.settings.values import Environment, Unreadable

# Of each setting that may be mounted, the file below BOOKSTORE_SECRETS_DIR.
FILES = MappingProxyType(
    {
        "database_url": Path("database/uri"),
        "database_direct_url": Path("database/direct-uri"),
        "redis_url": Path("redis/uri"),
        "staff_token": Path("staff/token"),
        "signing_keys": Path("signing/keys"),
        "smtp_url": Path("smtp/uri"),
        "payment_secrets": Path("payments/webhook-secrets"),
    }
)


class SettingsError(Exception):
    """The settings can't be used; the message says which and what to do, without their values."""


class MountedSecrets(InitSettingsSource):
    """Secrets in files, a folder for each service that they are for."""

    def __init__(self, settings_cls: type[BaseSettings], folder: Path) -> None:
        """Read the files that exist; one that can't be read becomes the value `Unreadable`."""
        self.files = {setting: folder / file for setting, file in FILES.items()}
        secrets = {setting: read_secret(path) for setting, path in self.files.items()}
        super().__init__(settings_cls, {name: text for name, text in secrets.items() if text})


def layers(
    settings_cls: type[BaseSettings],
    arguments: PydanticBaseSettingsSource,
    variables: PydanticBaseSettingsSource,
) -> tuple[PydanticBaseSettingsSource, ...]:
    """Return the sources, the strongest first; the model's own defaults come after them all.

    An unknown environment has no file: validation then names the setting.
    """
    deciding = {**variables(), **arguments()}
    folder = deciding.get("secrets_dir") or settings_cls.model_fields["secrets_dir"].default
    sources = (arguments, MountedSecrets(settings_cls, Path(folder)), variables)
    try:
        environment = Environment(deciding.get("environment", Environment.DEVELOPMENT))
    except ValueError:
        return sources
    return (*sources, TomlConfigSettingsSource(settings_cls, file_of(environment)))


def file_of(environment: Environment) -> Path:
    """Return the TOML file of an environment, which is part of this package."""
    return Path(__file__).with_name(f"{environment}.toml")


def read_mounted(folder: Path, setting: str) -> str | None:
    """Read the current secret of a setting; None where it is not mounted, or blank.

    Raises SettingsError where there is a file that can't be read.
    """
    path = folder / FILES[setting]
    text = read_secret(path)
    if isinstance(text, Unreadable):
        msg = f"The secret {path} can't be used. {text.problem}"
        raise SettingsError(msg)
    return text


def read_secret(path: Path) -> str | Unreadable | None:
    """Read a file with a secret, without the white space around it; None where there is none."""
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        return Unreadable("It is not text in UTF-8.")
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        return Unreadable(f"It can't be read ({type(error).__name__}): check its owner and mode.")
