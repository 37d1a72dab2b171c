"""The objects that pages show, on a real API server: every field exists, every rule holds."""

import json
from typing import Any

import pytest

from tests.cluster.conftest import Cluster
from tests.docs.test_examples import examples

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("document", examples())
def test_the_api_server_accepts_what_a_page_shows(
    cluster: Cluster, document: dict[str, Any]
) -> None:
    document = {**document, "metadata": {**document["metadata"]}}
    document["metadata"].pop("namespace", None)
    dry_run = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "name")
    applied = cluster.kubectl("default")(*dry_run, "-f", "-", stdin=json.dumps(document))
    assert document["metadata"]["name"] in applied
