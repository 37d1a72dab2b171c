"""Each gate is evaluated once a visit: stages, conditions and the next look share its answer."""

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pkgutil import walk_packages
from types import CodeType, FrameType
from typing import Any

import pytest

from bookstore_operator import components, releases
from bookstore_operator.core.gate import Answer
from bookstore_operator.core.plan import Plan, WriteStatus
from tests.support.world import World

pytestmark = pytest.mark.scenario


def gates() -> dict[CodeType, str]:
    """All gates, by their code: functions of a Snapshot and the time that return an Answer."""
    by_code = {}
    for package in (components, releases):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            for name, function in inspect.getmembers(import_module(module.name), _is_gate):
                by_code[function.__code__] = name
    return by_code


def _is_gate(member: Any) -> bool:
    if not inspect.isfunction(member):
        return False
    signature = inspect.signature(member)
    arguments = [*signature.parameters]
    return arguments == ["snapshot", "now"] and signature.return_annotation == Answer


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count how often each gate is evaluated."""
    codes, counts = gates(), Counter[str]()

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code in codes:
            counts[codes[frame.f_code]] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield counts
    finally:
        sys.setprofile(before)


def test_the_gates_are_found() -> None:
    assert set(gates().values()) >= {
        *("database_ready", "staff_secret_valid", "cache_secret_valid", "own_cache_secret_valid"),
        *("color_available", "switched", "followed", "drained"),
        *("migration_done", "no_other_migration"),
    }


def promotes(plan: Plan) -> bool:
    return any(
        isinstance(action, WriteStatus) and action.status.get("result") == "Promoted"
        for action in plan.actions
    )


def ordinary(world: World) -> None:
    world.change(image="api:2")


def without_secret(world: World) -> None:
    world.change(cache={"external": {"secretName": "redis"}})


def broken(world: World) -> None:
    world.broken.add("api:3")
    world.change(image="api:3")


@pytest.mark.parametrize("change", [ordinary, without_secret, broken])
def test_each_gate_is_evaluated_at_most_once_a_visit(change: Callable[[World], None]) -> None:
    """Twice where another release becomes active in the visit: then it is another question."""
    world = World(spec={"image": "api:1", "cache": {"embedded": {}}})
    asked: set[str] = set()
    for round_ in range(80):
        if round_ == 40:
            change(world)
        with counted() as counts:
            plan = world.reconcile()
        allowed = 2 if promotes(plan) else 1
        assert all(count <= allowed for count in counts.values()), (round_, counts)
        asked |= set(counts)
        if not world.tick() and not plan.actions and plan.requeue_after:
            world.now += plan.requeue_after
    assert {"database_ready", "staff_secret_valid", "switched", "color_available"} <= asked
