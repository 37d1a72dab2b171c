"""What infra/ gives for each cloud, on a real API server: its schema, CEL rules and defaults."""

import json
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import Cluster

pytestmark = pytest.mark.cluster

EXAMPLES = Path(__file__).parents[2] / "infra/examples"


@pytest.mark.parametrize("cloud", ["aws", "google", "azure"])
def test_the_api_server_accepts_all_that_a_cloud_gives(cluster: Cluster, cloud: str) -> None:
    documents = list(yaml.safe_load_all((EXAMPLES / f"{cloud}.yaml").read_text()))
    for document in documents:
        # A dry run creates no namespace for what follows.
        document["metadata"].pop("namespace", None)
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    dry_run = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "name")
    applied = cluster.kubectl("default")(*dry_run, "-f", "-", stdin=body).split()
    assert len(applied) == len(documents)
    assert "bookstore.bookstore.dev/shop" in applied
