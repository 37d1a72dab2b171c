"""Optimistic concurrency by HTTP's own means: an ETag in answers, If-Match in requests."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header


def etag_of(version: int) -> str:
    """Make the strong entity tag of a version of something."""
    return f'"{version}"'


@dataclass(frozen=True)
class Precondition:
    """What an If-Match header demands; nothing where there is none."""

    tags: frozenset[str] | None = None

    def holds(self, version: int) -> bool:
        """Whether something of this version may be changed."""
        return self.tags is None or "*" in self.tags or etag_of(version) in self.tags


def _read_if_match(
    if_match: Annotated[
        str | None,
        Header(
            max_length=1000, description="The ETag that was read: 412 where it is another by now"
        ),
    ] = None,
) -> Precondition:
    if if_match is None:
        return Precondition()
    return Precondition(frozenset(tag.strip() for tag in if_match.split(",")))


IfMatch = Annotated[Precondition, Depends(_read_if_match)]
