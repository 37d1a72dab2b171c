"""What takes long to set up is set up once for all workers of a run; the last one takes it down."""

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
    name: str, folder: Path, set_up: Callable[[], T], take_down: Callable[[], object]
) -> Iterator[T]:
    """Set something up unless another worker has; take it down if no other worker uses it.

    What `set_up` returns must survive JSON: the other workers read it in `folder`.
    """
    result, users = folder / f"{name}.json", folder / f"{name}.users"
    with locked(name):
        if not result.exists():
            result.write_text(json.dumps(set_up()))
        users.write_text(str(_count(users) + 1))
    try:
        shared_value: T = json.loads(result.read_text())
        yield shared_value
    finally:
        with locked(name):
            users.write_text(str(_count(users) - 1))
            if _count(users) == 0:
                result.unlink()
                take_down()


def _count(users: Path) -> int:
    return int(users.read_text()) if users.exists() else 0
