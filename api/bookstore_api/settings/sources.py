"""The layers that settings come from: a file an environment, variables, mounted secrets."""

from pathlib import Path

from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

from bookstore_api.settings.mounted import FILES, read_secret
from bookstore_api.settings.values import Environment

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
        environment = Environment(deciding.get("environment", Environment.DEVELOPMENT))
    except ValueError:
        return sources
    return (*sources, TomlConfigSettingsSource(settings_cls, file_of(environment)))


def file_of(environment: Environment) -> Path:
    """Return the file of an environment: a TOML file that comes with this package."""
    return FOLDER / f"{environment}.toml"


class MountedSecrets(InitSettingsSource):
    """Secrets in files of their own, a folder for each thing that they are for."""

    def __init__(self, settings_cls: type[BaseSettings], folder: Path) -> None:
        """Read the files that there are; one that can't be read becomes the value `Unreadable`."""
        self.files = {name: folder / file for name, file in FILES.items()}
        read = {name: read_secret(path) for name, path in self.files.items()}
        super().__init__(settings_cls, {name: text for name, text in read.items() if text})
