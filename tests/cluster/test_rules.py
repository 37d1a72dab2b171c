"""What the API server itself refuses, by the CRDs: no operator runs here.

The fields one by one are in test_fields.py.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.intent import intent_of
from bookstore_operator.crd.release import Color
from bookstore_operator.releases.manifests import release
from demo.kubectl import KubectlError
from tests.cluster.conftest import Shop, bookstore

pytestmark = pytest.mark.cluster

EXTERNAL = {"external": {"secretName": "books"}}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("d" * 41, "40 characters at most"),
        ("1demo", "begins with a letter"),
        ("demo.shop", "begins with a letter"),
        ("demo-db", "must not end in -db"),
        ("demo-cache", "must not end in -db or -cache"),
    ],
)
def test_a_name_that_would_not_work_is_refused(shop: Shop, name: str, sentence: str) -> None:
    with pytest.raises(KubectlError, match=f"the name of a BookStore.*{sentence}"):
        shop.apply(name)


def test_the_longest_name_is_taken(shop: Shop) -> None:
    shop.apply("d" * 40)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ({}, EXTERNAL, "can't move between"),
        (
            {"embedded": {"storage": {"size": "2Gi"}}},
            {"embedded": {"storage": {"size": "1Gi"}}},
            "size of a volume can't be changed",
        ),
    ],
)
def test_a_database_can_not_be_moved_in_place(
    shop: Shop, before: dict[str, Any], after: dict[str, Any], sentence: str
) -> None:
    shop.apply(database=before or {"embedded": {}})
    with pytest.raises(KubectlError, match=sentence):
        shop.apply(database=after)


def test_a_release_is_a_record_that_only_decisions_change(shop: Shop) -> None:
    shop.apply()
    store = BookStore.model_validate(shop.store())
    made = release(store, 1, 1, Color.BLUE, intent_of(store.spec))
    shop.kubectl.apply(made)
    for change in (
        {"revision": 2},
        {"color": "green"},
        {"podTemplate": "{}"},
        {"intent": {**made["spec"]["intent"], "image": "other:1"}},
        {"intent": {**made["spec"]["intent"], "config": {"logLevel": "debug"}}},
        {"intent": {**made["spec"]["intent"], "scheduling": {"nodeSelector": {"a": "b"}}}},
    ):
        changed = copy.deepcopy(dict(made))
        changed["spec"] |= change
        with pytest.raises(KubectlError, match="only approved and aborted"):
            shop.kubectl.apply(changed)
    shop.kubectl.apply({**made, "spec": {**made["spec"], "aborted": True, "approved": True}})
    stored = shop.get("bookstorereleases", "demo-r1")
    assert stored is not None
    assert stored["spec"]["aborted"] is True
    assert stored["spec"]["intent"] == made["spec"]["intent"], "nothing is pruned or added"


def test_kubectl_scale_and_defaults(shop: Shop) -> None:
    shop.apply(replicas=2)
    shop.kubectl("scale", "bs/demo", "--replicas=5")
    stored = shop.store()
    assert stored is not None
    assert stored["spec"]["replicas"] == 5
    assert stored["spec"]["database"]["embedded"]["storage"]["size"] == "1Gi"
    plain = bookstore()
    read, told = (BookStore.model_validate(each).spec for each in (stored, plain))
    assert intent_of(read) == intent_of(told), "the API server's defaults are the model's"
