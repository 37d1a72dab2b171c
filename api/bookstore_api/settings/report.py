"""Shows each effective setting and its source, to people and to programs; never a secret."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pydantic_core

from bookstore_api.settings.load import Assessment, InvalidSetting, SourcedValue
from bookstore_api.settings.model import Settings, variable_of
from bookstore_api.settings.sources import FILES
from bookstore_api.settings.unknown import Unknown

MASK = "••••"
MALFORMED = "(malformed)"
NOTHING = "(not set)"

_HOSTS = re.compile(r"[A-Za-z0-9.,:\[\]_-]*")
_NAME = re.compile(r"/[A-Za-z0-9_.-]*")
_FILE = re.compile(r"/[A-Za-z0-9_./ -]*")


@dataclass(frozen=True)
class Row:
    """A setting as it is shown: `value` as JSON holds it, masked where it is a secret."""

    variable: str
    value: Any
    source: str


def rows_of(values: Mapping[str, SourcedValue], assessment: Assessment) -> Iterator[Row]:
    """Describe every setting, in the model's order."""
    shown = assessment.settings.model_dump(mode="json", exclude=set(FILES))
    shown |= {setting: masked(assessment.settings, setting) for setting in FILES}
    shown |= {invalid.setting: MALFORMED for invalid in assessment.malformed}
    for setting in Settings.model_fields:
        origin = values[setting].origin if setting in values else "default"
        yield Row(variable_of(setting), shown[setting], origin)


def to_json(
    rows: Iterable[Row], invalid: Iterable[InvalidSetting], unknown: Iterable[Unknown]
) -> str:
    """Return the whole report as one JSON object."""
    document = {
        "settings": list(rows),
        "wrong": [
            {"variable": setting.variable, "problem": setting.problem, "file": setting.file}
            for setting in invalid
        ],
        "unknown": list(unknown),
    }
    return pydantic_core.to_json(document, indent=2).decode()


def to_table(rows: Iterable[Row]) -> list[str]:
    """Return lines of three columns, the headings first."""
    cells = [("SETTING", "VALUE", "SOURCE")]
    cells += [(row.variable, _printable(row.value), _printable(row.source)) for row in rows]
    first, second = (max(len(row[column]) for row in cells) for column in (0, 1))
    return [f"{name:<{first}}  {value:<{second}}  {source}" for name, value, source in cells]


def masked(settings: Settings, setting: str) -> str | None:
    """Show where a URI leads, and of any other secret that there is one."""
    secret = getattr(settings, setting)
    if secret is None:
        return None
    return (setting != "staff_token" and _without_secrets(secret.get_secret_value())) or MASK


def _without_secrets(uri: str) -> str | None:
    """Return scheme, hosts and database of a URI; None where they may hold part of a secret.

    A password whose special characters were not encoded may reach into the path or the query.
    """
    parts = urlsplit(uri)
    credentials, at, hosts = parts.netloc.rpartition("@")
    path = _NAME if parts.netloc else _FILE
    safe = (
        _HOSTS.fullmatch(hosts)
        and path.fullmatch(parts.path or "/")
        and "@" not in credentials + parts.query
        and not parts.fragment
    )
    return f"{parts.scheme}://{MASK + at if at else ''}{hosts}{parts.path}" if safe else None


def _printable(value: Any) -> str:
    """Return a value in one line that is safe for a terminal."""
    match value:
        case None | "" | []:
            return NOTHING
        case list():
            text = ", ".join(map(str, value))
        case bool():
            text = str(value).lower()
        case float():
            text = f"{value:g}"
        case _:
            text = str(value)
    return text if text.isprintable() else json.dumps(text)
