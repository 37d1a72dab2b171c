"""Lists: the page of many books beside the page of few."""

import base64
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tests.bench.http.data import BOOKS, fill, server_pid
from tests.bench.http.report import Row
from tests.bench.http.rounds import Side
from tests.bench.http.servers import Server, children, request
from tests.bench.http.world import World, api, compare, cost
from tests.support.postgres import query


def lists(world: World) -> list[Row]:
    """Goal 5: a list of many books beside one of 1,000, first page and deep cursor."""
    rows = []
    with world.postgres.database() as large, ExitStack() as stack:
        fill(large, world.books)
        many = api(world, stack, database_url=large)
        few = api(world, stack)
        for name, share in (("first page", 0.0), ("deep cursor", 0.9)):
            sides = [
                Side(server, [request(_page(url, share))], pids=_with_database(world, server))
                for server, url in ((many, large), (few, world.url))
            ]
            found = compare(world, *sides)
            title = f"list, {name}, {world.books:,} books"
            rows.append(cost(f"{title}: CPU", "the same, 1,000 books", found, 1.3, _WITH_POSTGRES))
            rows.append(_buffers(f"{title}: buffers", large, world.url, share))
        rows.append(_offset(world, large))
    return rows


_WITH_POSTGRES = "CPU of the API and of PostgreSQL's processes"


def _with_database(world: World, server: Server) -> Callable[[], Sequence[int]]:
    return lambda: [server.pid, *children(server_pid(world.postgres))]


def _page(url: str, share: float) -> str:
    """Return the path of a page that begins at a share of the list."""
    first = f"{BOOKS}?limit=20"
    if not share:
        return first
    cursor = _cursor_at(url, share)
    return f"{first}&after={cursor}"


def _cursor_at(url: str, share: float) -> str:
    """Make the cursor of a place, as older code did, which the plain list still takes."""
    [(count,)] = query(url, "SELECT count(*) FROM books")
    [(text, id_)] = query(
        url,
        "SELECT sort_title, id FROM books ORDER BY sort_title, id OFFSET $1 LIMIT 1",
        int(count * share),
    )
    return base64.urlsafe_b64encode(json.dumps([text, id_.hex]).encode()).decode().rstrip("=")


_LIST = (
    "SELECT * FROM books WHERE deleted_at IS NULL {after} ORDER BY sort_title, id LIMIT 21 {offset}"
)


def _buffers_of(url: str, share: float) -> int:
    after = ""
    if share:
        raw = _cursor_at(url, share)
        text, id_ = json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
        after = f"AND (sort_title, id) > ('{text}', '{id_}')"
    return _explained(url, _LIST.format(after=after, offset=""))


def _explained(url: str, statement: str) -> int:
    """Return how many buffers a statement touches."""
    query(url, statement)
    [(text,)] = query(url, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
    plan = json.loads(text)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _buffers(name: str, large: str, small: str, share: float) -> Row:
    ours, theirs = _buffers_of(large, share), _buffers_of(small, share)
    ratio = round(ours / theirs, 3)
    return Row(name, "the same, 1,000 books", "buffers", ours, theirs, ratio, None, 1.3, True)


def _offset(world: World, large: str) -> Row:
    ours = _buffers_of(large, 0.9)
    theirs = _explained(large, _LIST.format(after="", offset=f"OFFSET {int(world.books * 0.9)}"))
    name = f"deep cursor, {world.books:,} books: buffers"
    ratio = round(ours / theirs, 4)
    return Row(name, "OFFSET to the same place", "buffers", ours, theirs, ratio, None, None, True)
