"""Who an object belongs to."""

import pytest

from bookstore_operator.core.kinds import BOOKSTORES, CLAIMS, DEPLOYMENTS, STATEFUL_SETS, Resource
from bookstore_operator.core.lookup import controlled_by_another

pytestmark = pytest.mark.scenario

STORE = (BOOKSTORES, "demo", True)
OTHER_STORE = (BOOKSTORES, "other", True)
DATABASE = (STATEFUL_SETS, "demo-db", True)
OTHER_DATABASE = (STATEFUL_SETS, "other-db", True)
OWNED = (STATEFUL_SETS, "other-db", False)


@pytest.mark.parametrize(
    ("kind", "owner", "by_another"),
    [
        (DEPLOYMENTS, STORE, False),
        (DEPLOYMENTS, OTHER_STORE, True),
        (DEPLOYMENTS, DATABASE, True),
        (CLAIMS, STORE, False),
        (CLAIMS, DATABASE, False),
        (CLAIMS, OTHER_DATABASE, True),
        (CLAIMS, OWNED, False),
        (CLAIMS, None, False),
    ],
)
def test_only_claims_may_be_controlled_by_the_database(
    kind: Resource, owner: tuple[Resource, str, bool] | None, by_another: bool
) -> None:
    references = []
    if owner:
        resource, name, controller = owner
        references = [{**resource.type_meta, "name": name, "controller": controller}]
    manifest = {**kind.type_meta, "metadata": {"name": "demo-db", "ownerReferences": references}}
    assert controlled_by_another(manifest, "demo") is by_another
