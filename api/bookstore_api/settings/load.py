"""Reads the settings of this process, once, and names all that is wrong with them at once."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

from bookstore_api.settings.errors import SettingsError
from bookstore_api.settings.model import Settings, variable_of
from bookstore_api.settings.policy import InvalidSetting, violations
from bookstore_api.settings.sources import MountedSecrets, layers


@dataclass(frozen=True)
class Found:
    """A value as it was written and where: `file` is the mounted secret, if it is from one."""

    value: Any
    origin: str
    file: Path | None = None


@dataclass(frozen=True)
class Assessment:
    """Settings, with the default in the place of what is malformed, and all that is wrong."""

    settings: Settings
    malformed: tuple[InvalidSetting, ...]
    rejected: tuple[InvalidSetting, ...]

    @property
    def wrong(self) -> tuple[InvalidSetting, ...]:
        """All that keeps `serve` from starting."""
        return self.malformed + self.rejected


def load_settings(*, enforced: Collection[str] | None = None) -> Settings:
    """Read the settings of this process.

    Of what the environment rejects only `enforced` counts, for a command that uses nothing else.

    Raises SettingsError that names every wrong setting, one a line.
    """
    assessment = assess(read())
    if enforced is not None:
        counting = tuple(each for each in assessment.rejected if each.setting in enforced)
        assessment = replace(assessment, rejected=counting)
    if assessment.wrong:
        raise SettingsError(format_errors(assessment))
    return assessment.settings


def read() -> dict[str, Found]:
    """Read all sources; return each setting that is not the model's default."""
    given = InitSettingsSource(Settings, {})
    return {
        setting: _found(source, setting, value)
        for source in reversed(layers(Settings, given, EnvSettingsSource(Settings)))
        for setting, value in source().items()
    }


def _found(source: PydanticBaseSettingsSource, setting: str, value: object) -> Found:
    """Say where a value is from: a mounted secret, the environment's file, or a variable."""
    match source:
        case MountedSecrets():
            file = source.files[setting]
            return Found(value, str(file), file)
        case TomlConfigSettingsSource():
            return Found(value, Path(str(source.toml_file_path)).name)
        case _:
            return Found(value, variable_of(setting))


def assess(found: Mapping[str, Found]) -> Assessment:
    """Understand what was read, and judge it."""
    problems: dict[str, str] = {}
    try:
        settings = _validate(found, without=problems)
    except ValidationError as error:
        problems = _problems(error)
        settings = _validate(found, without=problems)
    malformed = (InvalidSetting(setting, problem) for setting, problem in problems.items())
    rejected = (each for each in violations(settings) if each.setting not in problems)

    def with_files(wrong: Iterable[InvalidSetting]) -> tuple[InvalidSetting, ...]:
        return tuple(
            replace(each, file=found[each.setting].file if each.setting in found else None)
            for each in wrong
        )

    return Assessment(settings, with_files(malformed), with_files(rejected))


def _validate(found: Mapping[str, Found], *, without: Collection[str]) -> Settings:
    """Make settings of what was read, and of nothing else; raises ValidationError."""
    values = {setting: each.value for setting, each in found.items() if setting not in without}
    return Settings(_build_sources=((InitSettingsSource(Settings, values),), {}))


def _problems(error: ValidationError) -> dict[str, str]:
    """Return what is wrong with each setting, the first where there is more, without values."""
    problems: dict[str, str] = {}
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        message = item["msg"].removeprefix("Value error, ").rstrip(".")
        problems.setdefault(str(item["loc"][0]), f"{message}.")
    return problems


def format_errors(assessment: Assessment) -> str:
    """Tell people what is wrong, a line for each setting, and what helps."""
    wrong = assessment.wrong
    count = "A setting is wrong" if len(wrong) == 1 else f"{len(wrong)} settings are wrong"
    lines = [f"{count}.", *(f"  {each}" for each in wrong)]
    if assessment.rejected:
        lines.append(
            f"The environment is {assessment.settings.environment}. To try the API out with "
            f"nothing set up: {variable_of('environment')}=development."
        )
    return "\n".join([*lines, "`bookstore-api config` shows every setting and where it is from."])
