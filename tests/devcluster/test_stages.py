"""The stages by which kwok simulates Pods."""

import json

import pytest

from devcluster import stages

pytestmark = pytest.mark.devcluster


def test_stages_are_documents_that_kwok_can_read() -> None:
    rendered = stages.render([stages.Messages("migrate", success='a "b"', failure="c")])
    documents = [json.loads(document) for document in rendered.split("\n---\n")]
    names = [document["metadata"]["name"] for document in documents]
    assert len(names) == len(set(names))
    assert {document["spec"]["resourceRef"]["kind"] for document in documents} == {"Pod", "Node"}
    assert all(document["spec"]["selector"]["matchExpressions"] for document in documents)
