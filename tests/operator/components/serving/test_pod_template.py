"""The Pod template of a release, where the golden files show too little of it."""

from typing import Any

import pytest

from bookstore_operator.components.serving.pod_template import api_pod_template
from bookstore_operator.crd.release import Color

pytestmark = pytest.mark.scenario


def test_one_key_may_hold_both_database_uris() -> None:
    external = {"secretName": "books", "key": "uri", "directKey": "uri"}
    intent: dict[str, Any] = {"image": "api:1", "database": {"external": external}}
    volumes = api_pod_template("demo", 1, Color.BLUE, intent)["spec"]["volumes"]
    secrets = {volume["name"]: volume.get("secret") for volume in volumes}
    assert secrets["database"]["items"] == [
        {"key": "uri", "path": "uri"},
        {"key": "uri", "path": "direct-uri"},
    ]
