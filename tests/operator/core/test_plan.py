"""Irreversible actions and guards are explicit in the Plan."""

import pytest

from bookstore_operator.core.kinds import CLAIMS
from bookstore_operator.core.plan import Action, Apply, CreateSecret, Delete
from tests.support.world import World

pytestmark = pytest.mark.scenario


def service_writes(world: World) -> list[Apply]:
    return [
        action
        for action in world.done
        if isinstance(action, Apply)
        and (action.manifest["kind"], action.manifest["metadata"]["name"]) == ("Service", "demo")
    ]


def test_a_switch_of_users_and_a_deletion_are_irreversible_and_nothing_else_is() -> None:
    world = World(spec={"image": "api:1", "autoscaling": {"maxReplicas": 3}}).settle()
    world.change(image="api:2", autoscaling=None)
    world.settle()
    created, switched = service_writes(world)
    assert not created.irreversible
    assert switched.irreversible
    assert switched.expected_resource_version
    expected: list[Action] = [switched, *(a for a in world.done if isinstance(a, Delete))]
    assert len(expected) > 1
    assert sorted(map(id, expected)) == sorted(id(a) for a in world.done if a.irreversible)


def test_database_and_password_are_created_only_with_an_own_volume() -> None:
    world = World().settle()
    guarded = {
        action.manifest["kind"]: action.guards
        for action in world.done
        if isinstance(action, Apply | CreateSecret) and action.guards
    }
    claim = CLAIMS.ref("data-demo-db-0")
    assert guarded == {"Secret": (claim,), "StatefulSet": (claim,)}
