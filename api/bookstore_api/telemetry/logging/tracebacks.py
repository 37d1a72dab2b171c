"""Exceptions as text for logs: where and of which type, without any value.

The text of an exception may repeat what a client sent (pydantic's input, PostgreSQL's DETAIL, the
key of a KeyError), and so may a line of source. Neither is shown: only types, files, lines,
functions, and the few facts that come from a fixed set of words.
"""

import errno
import re
import sqlite3
import sys
from collections.abc import Iterator
from functools import lru_cache
from traceback import walk_tb
from types import TracebackType

MAX_CHARACTERS = 16_000
MAX_CHAIN = 8  # exceptions of one chain of causes
MAX_MEMBERS = 8  # exceptions of one group
MAX_DEPTH = 4  # groups within groups
MAX_FRAMES = 40  # of one exception: half from each end

_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"
_WORD = re.compile(r"[A-Za-z0-9_]{1,63}")
# By PostgreSQL and its drivers: codes, and names out of our own schema.
_WORDS = ("sqlstate", "constraint_name")


def describe_exception(error: BaseException) -> str:
    """Describe an exception, what caused it and what it groups, in Python's own form."""
    text = "\n".join(_describe(error, MAX_DEPTH))
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "\n(cut off)"


def _describe(error: BaseException, depth: int) -> Iterator[str]:
    for link, each in reversed(_chain(error)):
        yield "Traceback (most recent call last):"
        yield from _frames(each.__traceback__)
        yield name_of(each) + _facts(each)
        if isinstance(each, BaseExceptionGroup):
            yield from _members(each, depth)
        if link:
            yield f"\n{link}\n"


def _chain(error: BaseException) -> list[tuple[str, BaseException]]:
    """List an exception and those before it, each with the words that lead to the one after."""
    chain: list[tuple[str, BaseException]] = [("", error)]
    seen = {id(error)}
    while len(chain) < MAX_CHAIN:
        last = chain[-1][1]
        before, link = last.__cause__, _CAUSE
        if before is None and not last.__suppress_context__:
            before, link = last.__context__, _CONTEXT
        if before is None or id(before) in seen:
            break
        seen.add(id(before))
        chain.append((link, before))
    return chain


def _members(group: BaseExceptionGroup[BaseException], depth: int) -> Iterator[str]:
    shown = group.exceptions[:MAX_MEMBERS] if depth > 0 else ()
    for number, member in enumerate(shown, 1):
        yield f"  {number} of {len(group.exceptions)}:"
        for line in _describe(member, depth - 1):
            yield from (f"    {part}" for part in line.splitlines())
    if left_out := len(group.exceptions) - len(shown):
        yield f"  ({left_out} more left out)"


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    frames = [
        f'  File "{short_path(frame.f_code.co_filename)}", line {line}, in {frame.f_code.co_name}'
        for frame, line in walk_tb(traceback)
    ]
    if len(frames) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        frames[half:-half] = [f"  ({len(frames) - 2 * half} more left out)"]
    yield from frames


def name_of(error: BaseException) -> str:
    """Name an exception's type with its module, such as sqlalchemy.exc.IntegrityError."""
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _facts(error: BaseException) -> str:
    """Tell what is known of an exception beyond its type, as far as it is no value."""
    facts = {name: vars(error).get(name) for name in _WORDS}
    if isinstance(error, OSError) and error.errno is not None:
        facts["errno"] = errno.errorcode.get(error.errno)
    if isinstance(error, sqlite3.Error):
        facts["sqlite"] = getattr(error, "sqlite_errorname", None)
    told = [
        f"{name}={value}"
        for name, value in facts.items()
        if isinstance(value, str) and _WORD.fullmatch(value)
    ]
    return f" ({', '.join(told)})" if told else ""


@lru_cache(maxsize=1024)
def short_path(path: str) -> str:
    """Shorten a file's path to what follows the folder that Python found it in."""
    folders = sorted((folder for folder in sys.path if folder), key=len, reverse=True)
    for folder in folders:
        if path.startswith(folder.rstrip("/") + "/"):
            return path[len(folder.rstrip("/")) + 1 :]
    return path
