"""What takes long to make is made once for all workers of a run, and taken down by the last."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from devcluster.locking import locked

T = TypeVar("T")


def folder_of_the_run(factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a folder that all workers of this run of pytest have in common."""
    base = factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@contextmanager
def shared(
    name: str, folder: Path, make: Callable[[], T], take_down: Callable[[], None]
) -> Iterator[T]:
    """Make a thing unless another worker has, and take it down if no other worker uses it.

    What `make` returns must survive JSON: the other workers read it in `folder`.
    """
    made, users = folder / f"{name}.json", folder / f"{name}.users"
    with locked(name):
        if not made.exists():
            made.write_text(json.dumps(make()))
        users.write_text(str(_count(users) + 1))
    try:
        thing: T = json.loads(made.read_text())
        yield thing
    finally:
        with locked(name):
            users.write_text(str(_count(users) - 1))
            if _count(users) == 0:
                made.unlink()
                take_down()


def _count(users: Path) -> int:
    return int(users.read_text()) if users.exists() else 0
