"""Exceptions as text for logs: where and of which type, without any value.

The text of an exception may repeat what a client sent (pydantic's input, PostgreSQL's DETAIL, the
key of a KeyError), and so may a line of source. Neither is shown: only types, files, lines,
functions, and the few codes that come from a fixed set of words.
"""

import errno
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from traceback import walk_tb

MAX_CHARACTERS = 16_000
MAX_EXCEPTIONS = 16  # causes and members of groups, all together
MAX_FRAMES = 40  # of one exception: half from each end

_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"
_WORD = re.compile(r"[A-Za-z0-9_]{1,63}")


def describe_exception(error: BaseException) -> str:
    """Describe an exception, what caused it and what it groups, in Python's own form."""
    try:
        text = "\n".join(_describe(error, set())).encode("utf-8", "replace").decode()
    except Exception:  # noqa: BLE001 - an exception may have any code in it; the line matters more
        return name_of(error)
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "\n(cut off)"


def _describe(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before, link = error.__cause__, _CAUSE
    if before is None and not error.__suppress_context__:
        before, link = error.__context__, _CONTEXT
    if before is not None and _is_next(before, seen):
        yield from _describe(before, seen)
        yield from ("", link, "")
    yield "Traceback (most recent call last):"
    yield from _frames(error)
    yield name_of(error) + _codes(error)
    if isinstance(error, BaseExceptionGroup):
        yield from _members(error.exceptions, seen)


def _members(members: tuple[BaseException, ...], seen: set[int]) -> Iterator[str]:
    left_out = 0
    for number, member in enumerate(members, 1):
        if not _is_next(member, seen):
            left_out += 1
            continue
        yield f"  {number} of {len(members)}:"
        yield from (f"    {line}" for line in _describe(member, seen))
    if left_out:
        yield f"  ({left_out} more left out)"


def _is_next(error: BaseException, seen: set[int]) -> bool:
    return id(error) not in seen and len(seen) < MAX_EXCEPTIONS


def _frames(error: BaseException) -> list[str]:
    frames = [
        f'  File "{short_path(frame.f_code.co_filename)}", line {line}, in {frame.f_code.co_name}'
        for frame, line in walk_tb(error.__traceback__)
    ]
    if (left_out := len(frames) - MAX_FRAMES) > 0:
        frames[MAX_FRAMES // 2 : -MAX_FRAMES // 2] = [f"  ({left_out} more left out)"]
    return frames


def name_of(error: BaseException) -> str:
    """Name an exception's type with its module, such as sqlalchemy.exc.IntegrityError."""
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _codes(error: BaseException) -> str:
    """Return the codes that databases and the system give, and names out of our own schema."""
    attributes = vars(error)
    codes = {
        "sqlstate": attributes.get("sqlstate"),
        "constraint_name": attributes.get("constraint_name"),
        "errno": errno.errorcode.get(getattr(error, "errno", 0))
        if isinstance(error, OSError)
        else None,
        "sqlite": attributes.get("sqlite_errorname"),
    }
    words = [f"{k}={v}" for k, v in codes.items() if isinstance(v, str) and _WORD.fullmatch(v)]
    return f" ({', '.join(words)})" if words else ""


@lru_cache(maxsize=1024)
def short_path(path: str) -> str:
    """Shorten a file's path to what follows the folder that Python found it in."""
    folders = {folder.rstrip("/") + "/" for folder in sys.path if folder}
    return path.removeprefix(max(filter(path.startswith, folders), key=len, default=""))
