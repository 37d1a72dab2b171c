"""Reads the settings of this process, once, and reports everything that is wrong with them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

from bookstore_api.settings.model import Settings, variable_of
from bookstore_api.settings.policy import violations
from bookstore_api.settings.sources import MountedSecrets, SettingsError, layers


@dataclass(frozen=True)
class SourcedValue:
    """A value as it is written, and where; `file` is the mounted secret, if it is from one."""

    value: Any
    origin: str
    file: Path | None = None


@dataclass(frozen=True)
class InvalidSetting:
    """A setting that can't be used, and what to do; it holds no value.

    `file` is the mounted secret that the value is from, if it is from one.
    """

    setting: str
    problem: str
    file: Path | None

    @property
    def variable(self) -> str:
        """The environment variable of the setting."""
        return variable_of(self.setting)

    def __str__(self) -> str:
        source = f" (from {self.file})" if self.file else ""
        return f"{self.variable}{source}: {self.problem}"


@dataclass(frozen=True)
class Assessment:
    """Settings, with the default in place of a malformed value, and everything that is wrong."""

    settings: Settings
    malformed: tuple[InvalidSetting, ...]
    rejected: tuple[InvalidSetting, ...]

    @property
    def invalid(self) -> tuple[InvalidSetting, ...]:
        """All that keeps `serve` from starting."""
        return self.malformed + self.rejected


def load_settings(*, enforced: Collection[str] | None = None) -> Settings:
    """Read the settings of this process.

    With `enforced`, the policy of the environment applies to these settings only, for a command
    that uses no others.

    Raises SettingsError that names every invalid setting, one a line.
    """
    assessment = assess(read_sources(), enforced=enforced)
    if assessment.invalid:
        raise SettingsError(format_errors(assessment))
    return assessment.settings


def read_sources() -> dict[str, SourcedValue]:
    """Read all sources; return each setting that is not the model's default."""
    no_arguments = InitSettingsSource(Settings, {})
    return {
        setting: _sourced(source, setting, value)
        for source in reversed(layers(Settings, no_arguments, EnvSettingsSource(Settings)))
        for setting, value in source().items()
    }


def _sourced(source: PydanticBaseSettingsSource, setting: str, value: object) -> SourcedValue:
    match source:
        case MountedSecrets():
            file = source.files[setting]
            return SourcedValue(value, str(file), file)
        case TomlConfigSettingsSource():
            return SourcedValue(value, Path(str(source.toml_file_path)).name)
        case _:
            return SourcedValue(value, variable_of(setting))


def assess(
    values: Mapping[str, SourcedValue], *, enforced: Collection[str] | None = None
) -> Assessment:
    """Validate what was read, and apply the policy of the environment (to `enforced` only)."""
    problems: dict[str, str] = {}
    try:
        settings = _validate(values)
    except ValidationError as error:
        problems = _problems(error)
        settings = _validate({name: values[name] for name in values if name not in problems})

    def invalid(setting: str, problem: str) -> InvalidSetting:
        return InvalidSetting(setting, problem, values[setting].file if setting in values else None)

    return Assessment(
        settings,
        malformed=tuple(invalid(setting, problem) for setting, problem in problems.items()),
        rejected=tuple(
            invalid(setting, problem)
            for setting, problem in violations(settings)
            if setting not in problems and (enforced is None or setting in enforced)
        ),
    )


def _validate(values: Mapping[str, SourcedValue]) -> Settings:
    """Make settings of these values and of nothing else; raises ValidationError."""
    arguments = {setting: sourced.value for setting, sourced in values.items()}
    return Settings(_build_sources=((InitSettingsSource(Settings, arguments),), {}))


def _problems(error: ValidationError) -> dict[str, str]:
    """Return the first problem of each malformed setting, without values."""
    problems: dict[str, str] = {}
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        message = item["msg"].removeprefix("Value error, ").rstrip(".")
        problems.setdefault(str(item["loc"][0]), f"{message}.")
    return problems


def format_errors(assessment: Assessment) -> str:
    """Return a message for people: a line for each invalid setting, and what helps."""
    invalid = assessment.invalid
    count = "A setting is wrong" if len(invalid) == 1 else f"{len(invalid)} settings are wrong"
    lines = [f"{count}.", *(f"  {setting}" for setting in invalid)]
    if assessment.rejected:
        lines.append(
            f"The environment is {assessment.settings.environment}. To try the API out with "
            f"nothing set up: {variable_of('environment')}=development."
        )
    return "\n".join([*lines, "`bookstore-api config` shows every setting and where it is from."])
