"""Exceptions as text for logs: where and of which type, without any value.

The text of an exception may repeat what a client sent (pydantic's input, PostgreSQL's DETAIL, the
key of a KeyError), and so may a line of source. Neither is shown: only types, files, lines,
functions, and the few facts that come from a fixed set of words.
"""

import errno
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from traceback import walk_tb

MAX_CHARACTERS = 16_000
MAX_CHAIN = 8  # exceptions of one chain of causes
MAX_MEMBERS = 8  # exceptions of one group
MAX_DEPTH = 4  # groups within groups
MAX_FRAMES = 40  # of one exception: half from each end

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n"
_WORD = re.compile(r"[A-Za-z0-9_]{1,63}")


def describe_exception(error: BaseException) -> str:
    """Describe an exception, what caused it and what it groups, in Python's own form."""
    text = "\n".join(_describe(error, MAX_DEPTH)).encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "\n(cut off)"


def _describe(error: BaseException, depth: int) -> Iterator[str]:
    for link, each in reversed(_chain(error)):
        yield "Traceback (most recent call last):"
        yield from _frames(each)
        yield name_of(each) + _facts(each)
        if isinstance(each, BaseExceptionGroup):
            yield from _members(each, depth)
        if link:
            yield link


def _chain(error: BaseException) -> list[tuple[str, BaseException]]:
    """List an exception and those before it, each with the words that lead to the one after."""
    chain: list[tuple[str, BaseException]] = [("", error)]
    while len(chain) < MAX_CHAIN:
        before, link = error.__cause__, _CAUSE
        if before is None and not error.__suppress_context__:
            before, link = error.__context__, _CONTEXT
        if before is None or any(before is each for _, each in chain):
            break
        error = before
        chain.append((link, error))
    return chain


def _members(group: BaseExceptionGroup[BaseException], depth: int) -> Iterator[str]:
    shown = group.exceptions[:MAX_MEMBERS] if depth > 0 else ()
    for number, member in enumerate(shown, 1):
        yield f"  {number} of {len(group.exceptions)}:"
        for line in _describe(member, depth - 1):
            yield from (f"    {part}" for part in line.splitlines())
    if left_out := len(group.exceptions) - len(shown):
        yield f"  ({left_out} more left out)"


def _frames(error: BaseException) -> list[str]:
    frames = [
        f'  File "{short_path(frame.f_code.co_filename)}", line {line}, in {frame.f_code.co_name}'
        for frame, line in walk_tb(error.__traceback__)
    ]
    if len(frames) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        frames[half:-half] = [f"  ({len(frames) - 2 * half} more left out)"]
    return frames


def name_of(error: BaseException) -> str:
    """Name an exception's type with its module, such as sqlalchemy.exc.IntegrityError."""
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _facts(error: BaseException) -> str:
    """Tell what is known of an exception beyond its type, as far as it is no value."""
    # By PostgreSQL and its drivers: codes, and names out of our own schema.
    facts = {name: vars(error).get(name) for name in ("sqlstate", "constraint_name")}
    if isinstance(error, OSError):
        facts["errno"] = errno.errorcode.get(error.errno or 0)
    facts["sqlite"] = vars(error).get("sqlite_errorname")
    words = [
        f"{name}={value}"
        for name, value in facts.items()
        if isinstance(value, str) and _WORD.fullmatch(value)
    ]
    return f" ({', '.join(words)})" if words else ""


@lru_cache(maxsize=1024)
def short_path(path: str) -> str:
    """Shorten a file's path to what follows the folder that Python found it in."""
    for folder in sorted(filter(None, sys.path), key=len, reverse=True):
        if path.startswith(folder.rstrip("/") + "/"):
            return path[len(folder.rstrip("/")) + 1 :]
    return path
