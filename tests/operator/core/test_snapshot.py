"""A Snapshot is taken once: intents are compared then, and not again for each question."""

from collections.abc import Mapping
from typing import Any

import pytest

from bookstore_operator.core import snapshot as module
from bookstore_operator.crd import bookstore, intent
from bookstore_operator.decide import decide
from tests.support.world import World

pytestmark = pytest.mark.scenario


def test_intents_are_compared_once_when_the_snapshot_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World().settle()
    for number in range(2, 6):
        world.change(image=f"api:{number}")
        world.settle()
    world.change(image="api:6")
    compared: list[str] = []

    def counted(stored: Mapping[str, Any]) -> dict[str, Any]:
        compared.append(str(stored["image"]))
        return intent.normalized(stored)

    monkeypatch.setattr(module, "normalized", counted)
    taken = world.snapshot()
    assert compared == ["api:5"], "of five releases one is both the newest and the active one"
    assert taken.matches_spec == {"demo-r5": False}
    monkeypatch.setattr(module, "normalized", None)
    monkeypatch.setattr(bookstore.BookStore, "model_validate", None)
    plan = decide(taken, world.now)
    assert [action.reason for action in plan.actions if action.reason == "Release"] == ["Release"]
