"""How kopf is set up."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kopf._cogs.clients import api as kopf_client

from bookstore_operator.core.kinds import BACKUPS, BOOKSTORES, RESTORES, WATCHED
from bookstore_operator.kube.watch import replace_json_parser, settings

pytestmark = pytest.mark.scenario


def test_retries_of_a_watch_end_before_it_counts_as_silent() -> None:
    """Else kopf restarts it for ever, and the operator does not notice that it sees no changes."""
    chosen = settings()
    backoffs = chosen.networking.error_backoffs
    assert isinstance(backoffs, tuple)
    assert chosen.watching.inactivity_timeout is not None
    assert sum(backoffs) + 10 < chosen.watching.inactivity_timeout


def test_watches_select_labeled_objects_on_the_server() -> None:
    selected = settings().watching.label_selectors
    for resource in WATCHED:
        key = (resource.group, resource.version, resource.plural)
        assert (key in selected) == (resource not in {BOOKSTORES, BACKUPS, RESTORES})


class Watch:
    """The response to a watch, in chunks that end anywhere."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.content = self

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(self.text), 7):
            yield self.text[start : start + 7]

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


def test_kopf_parses_the_lines_of_watches_with_the_operators_parser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is a private module of kopf: what an update of kopf changes there has to be seen."""
    monkeypatch.setattr(kopf_client, "json", None)
    replace_json_parser()
    odd = b'{"text": "\\ud800"}'  # half of a pair, which the faster parser rejects
    lines = [b'{"type": "ADDED", "object": {"n": 1.5}}', odd, '{"é": [null, true]}'.encode()]

    async def request(**_: Any) -> Watch:
        return Watch(b"\n".join(lines) + b"\n")

    async def parsed() -> list[Any]:
        logger = logging.getLogger(__name__)
        events = kopf_client.stream("/watch", settings=settings(), logger=logger)
        return [event async for event in events]

    monkeypatch.setattr(kopf_client, "request", request)
    assert asyncio.run(parsed()) == [json.loads(line) for line in lines]
