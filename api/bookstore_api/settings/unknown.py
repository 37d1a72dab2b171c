"""Variables that look like settings and are none: most likely misspelled."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from bookstore_api.settings.model import PREFIX, Settings, variable_of

# What has our prefix and is read elsewhere: by commands themselves, and by the operator.
OTHER_VARIABLES = frozenset({"BOOKSTORE_TERMINATION_LOG", "BOOKSTORE_RELOAD"})
OTHER_PREFIX = "BOOKSTORE_OPERATOR_"


@dataclass(frozen=True)
class Unknown:
    """A variable that nothing reads, and the setting whose name is closest, if any is close."""

    variable: str
    closest: str | None

    def __str__(self) -> str:
        question = f" Is {self.closest} meant?" if self.closest else ""
        return f"{self.variable} is no setting and has no effect.{question}"


def unknown_variables(names: Iterable[str]) -> list[Unknown]:
    """Return the variables that have our prefix and that nothing reads, sorted."""
    read = {*map(variable_of, Settings.model_fields), *OTHER_VARIABLES}
    return [
        Unknown(name, _closest(name.upper()))
        for name in sorted(names)
        if name.upper().startswith(PREFIX)
        and not name.upper().startswith(OTHER_PREFIX)
        and name.upper() not in read
    ]


def _closest(variable: str) -> str | None:
    """Compare names without the prefix, which would make any two of them close."""
    setting = variable.removeprefix(PREFIX).lower()
    return next(map(variable_of, get_close_matches(setting, Settings.model_fields, 1)), None)
