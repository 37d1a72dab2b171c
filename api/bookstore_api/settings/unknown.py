"""Variables that look like settings and are none: most likely misspelt."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from bookstore_api.settings.model import PREFIX, Settings, variable_of

# What has our prefix and is read elsewhere: by commands themselves, and by the operator.
NO_SETTINGS = frozenset({"BOOKSTORE_TERMINATION_LOG", "BOOKSTORE_RELOAD"})


@dataclass(frozen=True)
class Unknown:
    """A variable that nothing reads, and the setting whose name is closest, if any is close."""

    variable: str
    closest: str | None

    def __str__(self) -> str:
        """Tell it in a line."""
        question = f" Is {self.closest} meant?" if self.closest else ""
        return f"{self.variable} is no setting and has no effect.{question}"


def unknown_variables(names: Iterable[str]) -> list[Unknown]:
    """Return those of the variables that begin with our prefix and that nothing reads, sorted."""
    known = {variable_of(setting) for setting in Settings.model_fields} | NO_SETTINGS
    return [
        # Without the prefix, which would make any two of them close.
        Unknown(
            name, next(map(variable_of, get_close_matches(own, Settings.model_fields, 1)), None)
        )
        for name in sorted(names)
        if name.upper().startswith(PREFIX) and name.upper() not in known
        if not (own := name[len(PREFIX) :].lower()).startswith("operator_")
    ]
