"""The list of components is whole: every room is in it, and every condition has one."""

import tomllib
from pathlib import Path

import pytest

from bookstore_operator import components
from bookstore_operator.components import COMPONENTS, secrets_of_interest
from bookstore_operator.core.secret_values import Content
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.status import CONDITION_TYPES
from tests.support.world import World

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[3]
ROOMS = {path.parent.name for path in Path(*components.__path__).glob("*/__init__.py")}


def test_every_package_is_a_component() -> None:
    names = [component.name for component in COMPONENTS]
    assert sorted(names) == sorted(ROOMS)


def test_import_linter_checks_the_order_in_every_package() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (inside,) = (item for item in contracts["contracts"] if item["id"] == "operator-component")
    assert {name.rpartition(".")[2] for name in inside["containers"]} == ROOMS


def test_every_condition_is_written_in_the_order_of_the_list() -> None:
    world = World().settle()
    written = [condition["type"] for condition in world.store["status"]["conditions"]]
    assert written == list(CONDITION_TYPES)


def test_components_may_share_a_secret() -> None:
    """Each key is validated by its use; unused keys are not validated."""
    both = {
        "database": {"external": {"secretName": "all", "key": "database"}},
        "cache": {"external": {"secretName": "all", "key": "redis"}},
        "staff": {"secretName": "all", "key": "token"},
        "signingKeys": {"secretName": "all", "key": "signing"},
        "smtp": {"secretName": "all", "key": "mails"},
    }
    world = World(spec={"image": "api:1", **both})
    assert secrets_of_interest(BookStore.model_validate(world.store)) == {
        "all": {
            "database": Content.DATABASE_URI,
            "redis": Content.REDIS_URI,
            "token": Content.STAFF_TOKEN,
            "signing": Content.SIGNING_KEYS,
            "mails": Content.SMTP_URI,
        }
    }
