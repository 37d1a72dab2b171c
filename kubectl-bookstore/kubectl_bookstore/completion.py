"""Completion by the shell: kubectl runs `kubectl_complete-bookstore WORDS… WORD`.

Its answer has the form of cobra, the library of kubectl's own completion: a candidate a line, with
a description after a tab, and a last line with what the shell may add.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bookstore_operator.core.kinds import BOOKSTORES
from kubectl_bookstore.app import command_tree
from kubectl_bookstore.cluster.kubectl import Connection, Kubectl, KubectlError
from kubectl_bookstore.options import connection_of
from kubectl_bookstore.output import Format

FILES, NO_FILES = 0, 4
"""Cobra's directives: complete file names, or do not."""
_SECONDS = 3


class _Values(StrEnum):
    """What an option's value is, by the option's name."""

    FILENAME = "filename"
    KUBECONFIG = "kubeconfig"
    NAMESPACE = "namespace"
    CONTEXT = "context"
    OUTPUT = "output"


@dataclass
class _Line:
    """What is on the command line before the word to complete."""

    command: Any
    """The command so far: the group of all, or one of its commands."""
    given: dict[str, Any] = field(default_factory=dict)
    positional: int = 0
    waiting: Any = None
    """The option whose value is the word to complete; None if it is no value."""


def answer(words: Sequence[str]) -> list[str]:
    """Return the lines of the answer; the last word is the one to complete."""
    *before, incomplete = words or [""]
    line = _read(before)
    if line.waiting is None and incomplete.startswith("-") and "=" in incomplete:
        flag, _, incomplete = incomplete.partition("=")
        option = _option(line.command, flag)
        if option is None or option.name in {_Values.FILENAME, _Values.KUBECONFIG}:
            return [f":{FILES if option is not None else NO_FILES}"]
        found = {f"{flag}={value}": text for value, text in _values(line, option).items()}
        incomplete = f"{flag}={incomplete}"
    elif line.waiting is not None:
        if line.waiting.name in {_Values.FILENAME, _Values.KUBECONFIG}:
            return [f":{FILES}"]
        found = _values(line, line.waiting)
    elif incomplete.startswith("-"):
        found = dict(_flags(line.command))
    else:
        found = _words(line)
    matching = {word: text for word, text in found.items() if word.startswith(incomplete)}
    lines = [f"{word}\t{text}" if text else word for word, text in matching.items()]
    return [*lines, f":{NO_FILES}"]


def _read(words: Sequence[str]) -> _Line:
    line = _Line(command_tree())
    for word in words:
        if line.waiting is not None:
            line.given[line.waiting.name] = word
            line.waiting = None
        elif word.startswith("-"):
            flag, equals, value = word.partition("=")
            option = _option(line.command, flag)
            if option is not None and equals:
                line.given[option.name] = value
            elif option is not None and not option.is_flag:
                line.waiting = option
        elif word in getattr(line.command, "commands", {}):
            line.command = line.command.commands[word]
        else:
            line.positional += 1
    return line


def _option(command: Any, flag: str) -> Any:
    return next((p for p in command.params if flag in p.opts and hasattr(p, "is_flag")), None)


def _flags(command: Any) -> Iterator[tuple[str, str]]:
    for param in command.params:
        for flag in (*param.opts, *param.secondary_opts):
            if flag.startswith("--"):
                yield flag, _one_line(getattr(param, "help", ""))
    yield "--help", "Show this message and exit."


def _words(line: _Line) -> dict[str, str]:
    """Return the commands of a group, or the names of BookStores for a command's argument."""
    commands: Mapping[str, Any] = getattr(line.command, "commands", {})
    if commands:
        return {name: _one_line(command.short_help) for name, command in commands.items()}
    takes_name = any(param.name == "name" for param in line.command.params)
    return _names(line, "get", _STORES) if takes_name and not line.positional else {}


_STORES = f"{BOOKSTORES.plural}.{BOOKSTORES.group}"


def _values(line: _Line, option: Any) -> dict[str, str]:
    if option.name == _Values.OUTPUT:
        return dict.fromkeys((str(form) for form in Format), "")
    if option.name == _Values.NAMESPACE:
        return _names(line, "get", "namespaces")
    if option.name == _Values.CONTEXT:
        return _names(line, "config", "get-contexts")
    return {}


def _names(line: _Line, *arguments: str) -> dict[str, str]:
    """Return the names that kubectl prints; none if the cluster does not answer at once."""
    given = {key: value for key, value in line.given.items() if key in Connection.__slots__}
    connection = connection_of({**given, "groups": (), "request_seconds": _SECONDS})
    try:
        printed = Kubectl(connection).run(*arguments, "--output=name")
    except KubectlError:
        return {}
    return dict.fromkeys((name.rpartition("/")[2] for name in printed.split()), "")


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
