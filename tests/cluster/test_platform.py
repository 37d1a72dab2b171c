"""Cache and staff token on a real API server: what is created, its owners, its conditions."""

import base64
import secrets
from typing import Any

import pytest

from tests.cluster.conftest import Shop, image
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

EMBEDDED: dict[str, Any] = {"embedded": {}}
CACHE_OBJECTS = (
    ("apps/v1/deployments", "demo-cache"),
    ("v1/services", "demo-cache"),
    ("networking.k8s.io/v1/networkpolicies", "demo-cache"),
)


def data(shop: Shop, name: str) -> dict[str, str]:
    """Return what is in a Secret."""
    values = shop.require("v1/secrets", name)["data"]
    return {key: base64.b64decode(value).decode() for key, value in values.items()}


def left(shop: Shop) -> list[str]:
    """Return the kinds of the cache's objects that exist."""
    return [plural for plural, name in CACHE_OBJECTS if shop.get(plural, name)]


def test_an_embedded_cache_is_created_and_removed(operated: Shop) -> None:
    """Made with the BookStore, resized in place, taken away with the release that needs none."""
    operated.apply(replicas=1, cache=EMBEDDED)
    operated.ready()
    operated.reports("CacheHealthy", "CacheReady", status="True")
    created = data(operated, "demo-cache")
    host = f"demo-cache.{operated.namespace}.svc"
    assert len(created["password"]) == 43
    assert created["uri"] == f"redis://:{created['password']}@{host}:6379/0"
    assert created["valkey.conf"] == f"requirepass {created['password']}\n"
    assert len(data(operated, "demo-staff")["token"]) == 43

    larger: dict[str, Any] = {"embedded": {"resources": {"limits": {"memory": "256Mi"}}}}
    operated.apply(replicas=1, cache=larger)

    def resized() -> bool:
        pods = operated.list("v1/pods", "app.kubernetes.io/component=cache")
        limits = [pod["spec"]["containers"][0]["resources"]["limits"] for pod in pods]
        return limits == [{"memory": "256Mi"}]

    wait_for(resized, 30, "the cache's Pod to be a larger one")
    assert len(operated.list("bookstorereleases")) == 1
    assert data(operated, "demo-cache") == created

    operated.apply(replicas=1)
    operated.ready()
    wait_for(lambda: not left(operated), 30, "the cache to go")
    operated.reports("CacheHealthy", "NotConfigured", status="Unknown")
    assert len(operated.list("bookstorereleases")) == 2


def test_generated_secrets_are_deleted_with_the_bookstore(operated: Shop) -> None:
    operated.apply(replicas=1, cache=EMBEDDED, deletionPolicy="Retain")
    operated.ready()
    operated.kubectl("delete", "bookstore", "demo", "--timeout=30s")

    def gone() -> bool:
        secrets = {secret["metadata"]["name"] for secret in operated.list("v1/secrets")}
        return secrets == {"demo-db"} and not left(operated)

    wait_for(gone, 40, "all but the database's password to go")


def test_lost_generated_secrets_are_recreated(operated: Shop) -> None:
    operated.apply(replicas=1, cache=EMBEDDED)
    operated.ready()
    before = {name: data(operated, name) for name in ("demo-cache", "demo-staff")}
    for name in before:
        operated.kubectl("delete", "secret", name)
    # Secrets are not watched: any change brings the operator to look.
    operated.apply(replicas=2, cache=EMBEDDED)
    wait_for(lambda: all(operated.get("v1/secrets", name) for name in before), 30, "new Secrets")
    for name, old in before.items():
        assert data(operated, name).keys() == old.keys()
        assert data(operated, name) != old
    operated.ready()
    assert len(operated.list("bookstorereleases")) == 1


def test_a_missing_or_short_staff_token_is_reported_until_fixed(operated: Shop) -> None:
    operated.apply(replicas=1, staff={"secretName": "clerks"})

    operated.reports("Ready", "StaffSecretMissing", "no Secret clerks", "Create it", "`token`")
    migrations = "app.kubernetes.io/component=migration"
    assert not operated.list("batch/v1/jobs", migrations), "nothing is migrated for it yet"
    operated.provide("clerks", password="hush-hush")
    operated.reports("Ready", "StaffSecretIncomplete", "Secret clerks has no key `token`", "Add it")
    operated.provide("clerks", token="hush-hush-hush")
    operated.reports(
        *("Ready", "StaffSecretMalformed"),
        *("key `token` is shorter than 32 characters", "Correct it"),
    )
    assert "hush" not in operated.log.read_text(), "no value of a Secret is logged"
    operated.provide("clerks", token=secrets.token_hex(16))
    operated.ready()
    assert operated.get("v1/secrets", "demo-staff") is None


def test_a_release_waits_for_an_external_cache_but_keeps_running_without_it(operated: Shop) -> None:
    """A release waits for its Secret; what serves goes on without it."""
    cache = {"external": {"secretName": "redis"}}
    operated.apply(replicas=1, cache=cache)
    operated.reports("Ready", "CacheSecretMissing")
    operated.provide("redis", uri="redis://:hush-hush@redis:6379/0")
    operated.ready()
    operated.reports("CacheHealthy", "CacheExternal", status="Unknown")

    operated.kubectl("delete", "secret", "redis")
    operated.apply(replicas=2, cache=cache)
    operated.reports("CacheHealthy", "CacheSecretMissing", status="False")
    operated.ready()
    operated.provide("redis", uri="http://:hush-hush@redis:6379/0")
    operated.reports("CacheHealthy", "CacheSecretMalformed", status="False")
    assert "hush" not in operated.log.read_text()
    operated.provide("redis", uri="redis://:hush-hush@redis:6379/0")
    operated.reports("CacheHealthy", "CacheExternal", status="Unknown")


def test_scrapers_are_allowed_without_a_release(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    monitoring = {"namespaceLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    operated.apply(replicas=1, networkPolicy={"monitoring": monitoring})

    def ports() -> list[int]:
        policy = operated.require("networking.k8s.io/v1/networkpolicies", "demo-api")
        return [rule["ports"][0]["port"] for rule in policy["spec"]["ingress"]]

    wait_for(lambda: ports() == [8000, 8001], 30, "the internal port to be let")
    assert len(operated.list("bookstorereleases")) == 1


def test_a_config_change_is_a_release(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    operated.apply(replicas=1, environment="staging", config={"rateLimits": {"writes": "5/second"}})
    wait_for(
        lambda: operated.ready()["status"]["active"]["revision"] == 2, 60, "the second revision"
    )
    pods = operated.list("v1/pods", "bookstore.dev/revision=2,app.kubernetes.io/component=api")
    environment = {
        variable["name"]: variable["value"] for variable in pods[0]["spec"]["containers"][0]["env"]
    }
    assert environment["BOOKSTORE_ENVIRONMENT"] == "staging"
    assert environment["BOOKSTORE_RATE_LIMIT_WRITES"] == "5/second"
    assert pods[0]["spec"]["containers"][0]["image"] == image("1")
