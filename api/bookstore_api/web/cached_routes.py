"""Which requests may be answered from the cache, under which key, and which writes change what."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import Scope

from bookstore_api.cache.store import ALL, Key
from bookstore_api.telemetry.request_state import headers_of

LISTS = "lists"
MAX_QUERY_BYTES = 500
# Any of these makes an answer somebody's own, or says that the client wants it fresh.
_PERSONAL = frozenset(
    {b"authorization", b"cookie", b"cache-control", b"content-length", b"transfer-encoding"}
)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class CachedCollection:
    """A list and its items: public, the same for everybody, read by GET.

    `parameters` are those of the list. Where a change of one item shows in the item itself and in
    lists only, `independent` says so; a change of any other may show anywhere.
    """

    path: str
    parameters: frozenset[str]
    independent: bool = False


class CachedRoutes:
    """The collections of all domains."""

    def __init__(self, collections: Iterable[CachedCollection]) -> None:
        self._collections = {each.path: each for each in collections}

    def key_of(self, scope: Scope) -> Key | None:
        """Return the key of a GET; None for one that is not answered from the cache."""
        path: str = scope["path"]
        collection = self._collections.get(path)
        if collection is None:
            parent, _, id_ = path.rpartition("/")
            if parent not in self._collections or not _ID.fullmatch(id_) or scope["query_string"]:
                return None
        if not _PERSONAL.isdisjoint(headers_of(scope)):
            return None
        if collection is None:
            return Key(path, (path,))
        query = _canonical(scope["query_string"], collection.parameters)
        return None if query is None else Key(f"{path}?{query}", (LISTS,))

    def changed_by(self, scope: Scope) -> tuple[str, ...]:
        """Return the tags of what a write may change; none for one beside the collections."""
        path: str = scope["path"]
        parent, _, id_ = path.rpartition("/")
        collection = self._collections.get(parent)
        if collection is not None and collection.independent and _ID.fullmatch(id_.lower()):
            return (f"{parent}/{id_.lower()}", LISTS)
        return (ALL,) if any(map(path.startswith, self._collections)) else ()


def _canonical(query: bytes, parameters: frozenset[str]) -> str | None:
    """Return known parameters, each once, in one order; None for any other query."""
    if not query:
        return ""
    if len(query) > MAX_QUERY_BYTES:
        return None
    parts = query.decode("latin-1").split("&")
    names = [part.partition("=")[0] for part in parts]
    if len(set(names)) < len(names) or not parameters.issuperset(names):
        return None
    return "&".join(sorted(parts))
