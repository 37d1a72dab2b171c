"""Conditional requests (RFC 9110, section 13): entity tags, If-Match and If-None-Match."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header

from bookstore_api.kit.problems import InvalidRequestError, PreconditionRequiredError

WEAK = "W/"
MAX_VERSION = 2**63 - 1
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"[ \t]*(?:,[ \t]*)*{_TAG}(?:[ \t]*,[ \t]*(?:{_TAG})?)*[ \t]*")
_EACH = re.compile(_TAG)
ANY = "*"
CONTENT_TAG_BYTES = 12
_OF_CONTENT = re.compile(rf'(?:W/)?"[0-9a-f]{{{2 * CONTENT_TAG_BYTES}}}"')


def etag_of(version: object) -> str:
    """Make the strong entity tag of a version of something; of what is no number, that of 0."""
    return f'"{version if isinstance(version, int) else 0}"'


def next_version(version: object) -> int:
    """Return the version after another one; it begins again where the column has no larger one."""
    return version + 1 if isinstance(version, int) and 0 <= version < MAX_VERSION else 1


def weak_etag(content: bytes) -> str:
    """Make the weak entity tag of what has no version of its own."""
    return f'{WEAK}"{hashlib.blake2b(content, digest_size=CONTENT_TAG_BYTES).hexdigest()}"'


@dataclass(frozen=True)
class EntityTags:
    """What an If-Match or If-None-Match header lists: entity tags, or `*` alone."""

    tags: frozenset[str]

    def match_strongly(self, etag: str | None) -> bool:
        """Whether a representation that exists is among them; a weak tag never is."""
        if ANY in self.tags:
            return True
        return etag is not None and not etag.startswith(WEAK) and etag in self.tags

    def match_weakly(self, etag: str | None) -> bool:
        """Whether one that means the same is among them: proxies that compress make tags weak."""
        if ANY in self.tags:
            return True
        return etag is not None and etag.removeprefix(WEAK) in {
            tag.removeprefix(WEAK) for tag in self.tags
        }


def parse_entity_tags(values: Iterable[str]) -> EntityTags | None:
    """Read a header; in several lines it is one list. None where it is malformed."""
    text = ", ".join(values)
    if text.strip(" \t") == ANY:
        return EntityTags(frozenset({ANY}))
    if not _LIST.fullmatch(text):
        return None
    return EntityTags(frozenset(_EACH.findall(text)))


@dataclass(frozen=True)
class Precondition:
    """What the headers of a request demand of what it is for; nothing where there are none."""

    if_match: EntityTags | None = None
    if_none_match: EntityTags | None = None

    def holds(self, version: object) -> bool:
        """Whether something of this version may be changed."""
        etag = etag_of(version)
        if self.if_match is not None and not self.if_match.match_strongly(etag):
            return False
        return self.if_none_match is None or not self.if_none_match.match_weakly(etag)

    def require_match(self) -> None:
        """Raise PreconditionRequiredError where nothing is demanded of the version."""
        if self.if_match is None:
            msg = "Send the ETag that you read in If-Match, or `*` to overwrite any version."
            raise PreconditionRequiredError(msg)

    @property
    def holds_for_a_list(self) -> bool:
        """Whether something may be added to a list, which exists and has weak tags only.

        Its current tag is not computed for that: one that may be it counts as it.
        """
        if self.if_match is not None and not self.if_match.match_strongly(None):
            return False
        unwanted = self.if_none_match.tags if self.if_none_match is not None else frozenset()
        return not any(tag == ANY or _OF_CONTENT.fullmatch(tag) for tag in unwanted)


def _read_precondition(
    if_match: Annotated[
        list[str] | None,
        Header(description="ETags that were read, or `*`: 412 where the current one is another"),
    ] = None,
    if_none_match: Annotated[
        list[str] | None,
        Header(description="ETags, or `*`: 412 where the current one is among them"),
    ] = None,
) -> Precondition:
    return Precondition(
        _read_tags("if-match", if_match), _read_tags("if-none-match", if_none_match)
    )


def _read_tags(name: str, values: list[str] | None) -> EntityTags | None:
    if values is None:
        return None
    tags = parse_entity_tags(values)
    if tags is None:
        raise InvalidRequestError(
            f"header/{name}", 'Not a list of ETags such as "1", and not *', "entity_tags"
        )
    return tags


IfMatches = Annotated[Precondition, Depends(_read_precondition)]


def _require_match(precondition: IfMatches) -> Precondition:
    precondition.require_match()
    return precondition


MustMatch = Annotated[Precondition, Depends(_require_match)]
"""The same, where a change without If-Match is rejected (428): it might undo another's."""
