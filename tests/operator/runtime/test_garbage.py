"""Python's garbage collector does not run with each visit."""

import gc
from collections.abc import Iterator

import pytest

from bookstore_operator.runtime.garbage import collect_rarely

pytestmark = pytest.mark.scenario


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_the_objects_of_a_visit_cause_no_collection() -> None:
    collect_rarely()
    collections = sum(generation["collections"] for generation in gc.get_stats())
    objects = [[number] for number in range(10_000)]
    assert sum(generation["collections"] for generation in gc.get_stats()) == collections
    assert len(objects) == 10_000


def test_cycles_are_still_collected() -> None:
    collect_rarely()
    collections = gc.get_stats()[0]["collections"]
    for _ in range(60_000):
        cycle: list[object] = []
        cycle.append(cycle)
    assert gc.get_stats()[0]["collections"] > collections
