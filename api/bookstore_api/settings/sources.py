"""The layers that settings come from: a file an environment, variables, mounted secrets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

from bookstore_api.settings.mounted import FILES, read_secret
from bookstore_api.settings.values import Environment, parse_environment

FOLDER = Path(__file__).parent


def layers(
    settings_cls: type[BaseSettings],
    given: PydanticBaseSettingsSource,
    variables: PydanticBaseSettingsSource,
) -> tuple[PydanticBaseSettingsSource, ...]:
    """Return the sources, the strongest first; the model's own defaults come after them all.

    An environment that there is not has no file: validation then names the setting.
    """
    deciding = {**variables(), **given()}
    folder = deciding.get("secrets_dir") or settings_cls.model_fields["secrets_dir"].default
    sources = (given, MountedSecrets(settings_cls, Path(folder)), variables)
    try:
        environment = parse_environment(deciding.get("environment", Environment.DEVELOPMENT))
    except ValueError:
        return sources
    return (*sources, EnvironmentFile(settings_cls, environment))


class EnvironmentFile(TomlConfigSettingsSource):
    """What is right for one environment: a TOML file that comes with this package."""

    def __init__(self, settings_cls: type[BaseSettings], environment: Environment) -> None:
        """Read the file."""
        self.file = file_of(environment)
        super().__init__(settings_cls, self.file)


def file_of(environment: Environment) -> Path:
    """Return the file of an environment."""
    return FOLDER / f"{environment}.toml"


class MountedSecrets(PydanticBaseSettingsSource):
    """Secrets in files of their own, a folder for each thing that they are for."""

    def __init__(self, settings_cls: type[BaseSettings], folder: Path) -> None:
        """Read the files that there are; one that can't be read becomes the value `Unreadable`."""
        super().__init__(settings_cls)
        self.files: Mapping[str, Path] = {name: folder / file for name, file in FILES.items()}
        read = {name: read_secret(path) for name, path in self.files.items()}
        self._secrets = {name: secret for name, secret in read.items() if secret is not None}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the library's interface
        """Return the secret of a setting, if there is one."""
        return self._secrets.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all of them."""
        return dict(self._secrets)
