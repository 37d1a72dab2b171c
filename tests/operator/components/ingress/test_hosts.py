"""Which of several BookStores may have a host name."""

from typing import Any

import pytest

from bookstore_operator.components.ingress.hosts import Claim, host_taken_by, wants_host

pytestmark = pytest.mark.scenario


def claim(
    name: str,
    created: int,
    routed_since: int | None = None,
    *,
    host: str = "books.example",
    path: str = "/",
    namespace: str = "shop",
    routes: str = "books.example",
) -> Claim:
    """Return a BookStore and its Ingress by the hours of their creation."""
    store = {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": f"2026-01-01T{created:02}:00:00Z",
        },
        "spec": {"ingress": {"host": host, "path": path}},
    }
    if routed_since is None:
        return Claim(store, None)
    rule: dict[str, Any] = {"host": routes, "http": {"paths": [{"path": path}]}}
    metadata = {"creationTimestamp": f"2026-01-01T{routed_since:02}:00:00Z"}
    return Claim(store, {"metadata": metadata, "spec": {"rules": [rule]}})


OWN = claim("own", created=5)


@pytest.mark.parametrize(
    ("own", "other", "holder"),
    [
        pytest.param(OWN, claim("other", 4), "BookStore other", id="the older one, of two new"),
        pytest.param(OWN, claim("other", 6), "", id="this one is older"),
        pytest.param(
            OWN, claim("other", 6, 7), "BookStore other", id="a younger one that serves already"
        ),
        pytest.param(claim("own", 5, 9), claim("other", 4), "", id="this one serves already"),
        pytest.param(claim("own", 5, 9), claim("other", 6, 8), "BookStore other", id="both serve"),
        pytest.param(
            claim("own", 3, 4, routes="former.example"),
            claim("other", 6, 7),
            "BookStore other",
            id="an older one moves to the host of one that serves",
        ),
        pytest.param(
            OWN,
            claim("other", 4, namespace="private"),
            "a BookStore in another namespace",
            id="a name of another namespace is not shown",
        ),
        pytest.param(OWN, claim("other", 4, host="other.example"), "", id="another host"),
        pytest.param(OWN, claim("other", 4, path="/v2"), "", id="another path of the host"),
        pytest.param(
            OWN, Claim({"metadata": OWN.store["metadata"]}, None), "", id="one without a spec"
        ),
    ],
)
def test_a_host_belongs_to_one_bookstore(own: Claim, other: Claim, holder: str) -> None:
    assert host_taken_by(own, [other]) == holder
    if holder:
        assert host_taken_by(other, [own]) == "", "one of the two must have it"


def test_of_two_of_the_same_age_exactly_one_has_the_host() -> None:
    one, two = claim("one", 5), claim("two", 5)
    assert (host_taken_by(one, [two]), host_taken_by(two, [one])) == ("", "BookStore one")


def test_a_bookstore_without_an_ingress_wants_no_host() -> None:
    assert wants_host(OWN.store)
    assert not wants_host({"spec": {}})
    assert not wants_host({"spec": {"ingress": None}})
