"""Reads the settings of this process, once, and names all that is wrong with them at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, InitSettingsSource, PydanticBaseSettingsSource

from bookstore_api.settings.errors import SettingsError
from bookstore_api.settings.model import Settings, variable_of
from bookstore_api.settings.policy import violations
from bookstore_api.settings.sources import EnvironmentFile, MountedSecrets, layers


@dataclass(frozen=True)
class InvalidSetting:
    """A setting that can't be used, and what to do. It holds no value.

    `file` is the mounted secret that the value is from, if it is from one.
    """

    setting: str
    problem: str
    file: Path | None = None

    @property
    def variable(self) -> str:
        """The environment variable of the setting."""
        return variable_of(self.setting)

    def __str__(self) -> str:
        """Tell it in a line."""
        source = f" (from {self.file})" if self.file else ""
        return f"{self.variable}{source}: {self.problem}"


@dataclass(frozen=True)
class Reading:
    """What the sources held when they were read, the strongest first; asking them reads no more."""

    sources: tuple[PydanticBaseSettingsSource, ...]

    @cached_property
    def _found(self) -> Mapping[str, tuple[PydanticBaseSettingsSource, Any]]:
        """Of each setting that is not the model's default, where it is from and what it is."""
        return {
            setting: (source, value)
            for source in reversed(self.sources)
            for setting, value in source().items()
        }

    def values(self, *, without: Collection[str]) -> dict[str, Any]:
        """Return the values that were set, as they were written."""
        return {name: value for name, (_, value) in self._found.items() if name not in without}

    def file(self, setting: str) -> Path | None:
        """Return the mounted secret that a value is from, if it is from one."""
        source, _ = self._found.get(setting, (None, None))
        return source.files[setting] if isinstance(source, MountedSecrets) else None

    def origin(self, setting: str) -> str:
        """Say where a value is from: `default`, the environment's file, a variable or a secret."""
        source, _ = self._found.get(setting, (None, None))
        match source:
            case None:
                return "default"
            case MountedSecrets():
                return str(source.files[setting])
            case EnvironmentFile():
                return source.file.name
            case _:
                return variable_of(setting)


@dataclass(frozen=True)
class Assessment:
    """Settings, with the default in the place of what is malformed, and all that is wrong."""

    settings: Settings
    malformed: tuple[InvalidSetting, ...]
    refused: tuple[InvalidSetting, ...]

    @property
    def wrong(self) -> tuple[InvalidSetting, ...]:
        """All that keeps `serve` from starting."""
        return self.malformed + self.refused


def load_settings(*, enforced: Collection[str] | None = None) -> Settings:
    """Read the settings of this process.

    Of what the environment refuses only `enforced` counts, for a command that uses nothing else.

    Raises SettingsError that names every wrong setting, one a line.
    """
    assessment = assess(read())
    if enforced is not None:
        counting = tuple(each for each in assessment.refused if each.setting in enforced)
        assessment = replace(assessment, refused=counting)
    if assessment.wrong:
        raise SettingsError(format_errors(assessment))
    return assessment.settings


def read() -> Reading:
    """Read all sources."""
    given = InitSettingsSource(Settings, {})
    return Reading(layers(Settings, given, EnvSettingsSource(Settings)))


def assess(reading: Reading) -> Assessment:
    """Understand what was read, and judge it."""
    problems: dict[str, str] = {}
    try:
        settings = _understand(reading.sources)
    except ValidationError as error:
        problems = _problems(error)
        rest = InitSettingsSource(Settings, reading.values(without=problems))
        settings = _understand((rest,))
    malformed = (
        InvalidSetting(name, problem, reading.file(name)) for name, problem in problems.items()
    )
    refused = (
        InvalidSetting(each.setting, f"{each.problem} {each.remedy}", reading.file(each.setting))
        for each in violations(settings)
        if each.setting not in problems
    )
    return Assessment(settings, tuple(malformed), tuple(refused))


def _understand(sources: tuple[PydanticBaseSettingsSource, ...]) -> Settings:
    """Validate what the sources hold; raises ValidationError."""
    return Settings(_build_sources=(sources, {}))


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
    if assessment.refused:
        lines.append(
            f"The environment is {assessment.settings.environment}. To try the API out with "
            f"nothing set up: {variable_of('environment')}=development."
        )
    return "\n".join([*lines, "`bookstore-api config` shows every setting and where it is from."])
