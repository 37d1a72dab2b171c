"""P3, configuration validation: for each field of a BookStore, a wrong value and its rejection.

No operator runs here; all are applied at once, as a user does it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bookstore_operator.crd.schema import crds
from demo.kubectl import Kubectl, KubectlError
from tests.cluster.conftest import Cluster, bookstore

pytestmark = pytest.mark.cluster

LONG = "x" * 254
REFUSED: Mapping[str, tuple[Any, str]] = {
    "image": ("two words", r"should match '\^\\S\+\$'"),
    "environment": ("test", 'supported values: "production", "staging", "development"'),
    "imagePullPolicy": ("Sometimes", 'supported values: "Always", "IfNotPresent", "Never"'),
    "imagePullSecrets": ([{"name": "one"}] * 11, "must have at most 10 items"),
    "imagePullSecrets[].name": ([{"name": "Not a name"}], "should match"),
    "replicas": (-1, "should be greater than or equal to 0"),
    "autoscaling.minReplicas": (0, "should be greater than or equal to 1"),
    "autoscaling.maxReplicas": (1001, "should be less than or equal to 1000"),
    "autoscaling.targetCpuPercent": (101, "should be less than or equal to 100"),
    "database.embedded.storage.size": ("much", "should match"),
    "database.embedded.storage.storageClassName": ("Not a name", "should match"),
    "database.embedded.resources.requests.cpu": ("half", "should match"),
    "database.embedded.resources.requests.memory": ("1 Gi", "should match"),
    "database.embedded.resources.limits.cpu": (-1, "should be greater than or equal to 0"),
    "database.embedded.resources.limits.memory": ("1GB", "should match"),
    "database.external.secretName": ("Not a name", "should match"),
    "database.external.key": ("no/key", "should match"),
    "database.external.directKey": ("", "should match"),
    "cache.embedded.resources.requests.cpu": ("half", "should match"),
    "cache.embedded.resources.requests.memory": ("1 Gi", "should match"),
    "cache.embedded.resources.limits.cpu": (-1, "should be greater than or equal to 0"),
    "cache.embedded.resources.limits.memory": ("1GB", "should match"),
    "cache.external.secretName": ("Not a name", "should match"),
    "cache.external.key": ("no/key", "should match"),
    "staff.secretName": ("Not a name", "should match"),
    "staff.key": ("no/key", "should match"),
    "migration.timeoutSeconds": (0, "should be greater than or equal to 1"),
    "migration.attempts": (21, "should be less than or equal to 20"),
    "rollout.progressDeadlineSeconds": (86401, "should be less than or equal to 86400"),
    "rollout.scaleDownDelaySeconds": (-1, "should be greater than or equal to 0"),
    "rollout.historyLimit": (1, "should be greater than or equal to 2"),
    "backup.schedule": ("now and then", "should match"),
    "backup.keep": (0, "should be greater than or equal to 1"),
    "backup.storage.size": ("1Pi", "should match"),
    "backup.storage.storageClassName": (LONG, "at most 253|more than 253"),
    "backup.timeoutSeconds": (59, "should be greater than or equal to 60"),
    "backup.suspend": ("perhaps", 'expected "boolean"'),
    "config.logLevel": ("loud", 'supported values: "debug"'),
    "config.drainSeconds": (301, "should be less than or equal to 300"),
    "config.shutdownSeconds": (0, "should be greater than or equal to 1"),
    "config.databasePoolSize": (101, "should be less than or equal to 100"),
    "config.docs": ("perhaps", 'expected "boolean"'),
    "config.corsOrigins": (["https://shop.example/"], "should match"),
    "config.trustedProxies": (["10.0.0.1/8"], "no bits set behind its prefix"),
    "config.rateLimits.reads": ("often", "should match"),
    "config.rateLimits.writes": ("0/minute", "should match"),
    "config.maxBodyBytes": (1023, "should be greater than or equal to 1024"),
    "config.maxHeaderBytes": (1048577, "should be less than or equal to 1048576"),
    "config.headerSeconds": (0, "should be greater than or equal to 1"),
    "config.bodySeconds": (3601, "should be less than or equal to 3600"),
    "config.connectionMaxAgeSeconds": (0, "should be greater than or equal to 1"),
    "config.redisTimeoutMilliseconds": (10001, "should be less than or equal to 10000"),
    "resources.requests.cpu": ("fast", "should match"),
    "resources.requests.memory": ("2Gi ", "should match"),
    "resources.limits.cpu": ("1e3", "should match"),
    "resources.limits.memory": ("-1Gi", "should match"),
    "scheduling.nodeSelector": ({"disk": "not a value"}, "should match"),
    "scheduling.tolerations": ([{}] * 21, "must have at most 20 items"),
    "scheduling.tolerations[].key": ([{"key": "a key"}], "should match"),
    "scheduling.tolerations[].operator": ([{"operator": "Like"}], 'supported values: "Exists"'),
    "scheduling.tolerations[].value": ([{"value": "a value"}], "should match"),
    "scheduling.tolerations[].effect": ([{"effect": "Maybe"}], 'supported values: "NoSchedule"'),
    "scheduling.tolerations[].tolerationSeconds": (
        [{"tolerationSeconds": "long"}],
        'expected "integer"',
    ),
    "scheduling.priorityClassName": ("Not a name", "should match"),
    "service.type": ("ExternalName", 'supported values: "ClusterIP"'),
    "service.port": (0, "should be greater than or equal to 1"),
    "service.nodePort": (65536, "should be less than or equal to 65535"),
    "networkPolicy.enabled": ("yes", 'expected "boolean"'),
    "networkPolicy.monitoring.namespaceLabels": ({"team": "not a value"}, "should match"),
    "networkPolicy.monitoring.podLabels": ({"app": "-"}, "should match"),
    "monitoring.scrapeAnnotations": ("yes", 'expected "boolean"'),
    "deletionPolicy": ("Perhaps", 'supported values: "Retain", "Delete"'),
    "paused": ("no", 'expected "boolean"'),
}
"""Field → (a value that makes no sense, what the API server says about it)."""

NEEDED: Mapping[str, dict[str, Any]] = {
    "autoscaling": {"maxReplicas": 5},
    "backup": {"schedule": "@daily"},
    "service": {"type": "NodePort"},
}
"""What must stand beside a field for nothing but the field to be wrong."""

TOGETHER: Mapping[str, tuple[dict[str, Any], str]] = {
    "replicas-and-autoscaling": (
        {"replicas": 2, "autoscaling": {"maxReplicas": 3}},
        "spec.*give one of replicas and autoscaling, not both",
    ),
    "fewer-than-least": (
        {"autoscaling": {"minReplicas": 5, "maxReplicas": 3}},
        "spec.autoscaling.*autoscaling.minReplicas must not be larger",
    ),
    "no-database": ({"database": {}}, "spec.database.*give one of database.embedded and"),
    "two-databases": (
        {"database": {"embedded": {}, "external": {"secretName": "books"}}},
        "spec.database.*give one of database.embedded and",
    ),
    "node-port-of-a-cluster-ip": (
        {"service": {"type": "ClusterIP", "nodePort": 30001}},
        "spec.service.*service.nodePort needs service.type",
    ),
    "no-cache": ({"cache": {}}, "spec.cache.*give one of cache.embedded and cache.external"),
    "two-caches": (
        {"cache": {"embedded": {}, "external": {"secretName": "redis"}}},
        "spec.cache.*give one of cache.embedded and cache.external",
    ),
    "a-cache-of-any-size": (
        {"cache": {"embedded": {"resources": {"limits": {"cpu": 1}}}}},
        "spec.cache.embedded.*cache.embedded.resources.limits.memory is needed",
    ),
    "a-cache-that-is-too-small": (
        {"cache": {"embedded": {"resources": {"limits": {"memory": "31Mi"}}}}},
        "spec.cache.embedded.*cache.embedded.resources.limits.memory is needed, 32Mi at least",
    ),
    "a-key-of-no-secret": (
        {"staff": {"key": "bearer"}},
        "spec.staff.*staff.key needs staff.secretName",
    ),
    "any-origin-in-production": (
        {"config": {"corsOrigins": ["https://shop.example", "*"]}},
        "spec.*config.corsOrigins may have the wildcard . in environment development only",
    ),
    "any-origin-in-staging": (
        {"environment": "staging", "config": {"corsOrigins": ["*"]}},
        "spec.*config.corsOrigins may have the wildcard . in environment development only",
    ),
    "an-address-for-a-network": (
        {"config": {"trustedProxies": ["fd00::/8", "10.0.0.1"]}},
        r"spec.config.trustedProxies\[1\].*a trusted proxy is a network",
    ),
    "nobody-may-scrape": (
        {"networkPolicy": {"monitoring": {}}},
        "spec.networkPolicy.monitoring.*give networkPolicy.monitoring.namespaceLabels",
    ),
    "more-memory-than-allowed": (
        {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1900M"}}},
        "spec.resources.*resources.requests.memory must not be larger",
    ),
    "more-cpu-than-allowed": (
        {"database": {"embedded": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}}},
        "spec.database.embedded.resources.*resources.requests.cpu must not be larger",
    ),
}
"""Values that make sense alone, but not together."""

SOUND: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "as-much-as-allowed": {"resources": {"requests": {"cpu": 1}, "limits": {"cpu": "1000m"}}},
    "only-a-limit": {"resources": {"limits": {"memory": "64Mi"}}},
    "cached": {"cache": {"embedded": {}}},
    "as-small-a-cache-as-can-be": {
        "cache": {"embedded": {"resources": {"limits": {"memory": 32 * 2**20}}}}
    },
    "any-origin-in-development": {
        "environment": "development",
        "config": {"corsOrigins": ["*"], "docs": True},
    },
    "all-of-the-platform": {
        "environment": "staging",
        "cache": {"external": {"secretName": "redis", "key": "REDIS_URL"}},
        "staff": {"secretName": "clerks", "key": "bearer"},
        "config": {
            "corsOrigins": ["https://shop.example", "http://localhost:8080"],
            "trustedProxies": ["10.0.0.0/8", "192.168.1.7/32", "fd00::/8"],
            "rateLimits": {"reads": "off", "writes": "600/minute"},
            "maxBodyBytes": 1024,
            "maxHeaderBytes": 1048576,
            "headerSeconds": 1,
            "bodySeconds": 3600,
            "connectionMaxAgeSeconds": 86400,
            "redisTimeoutMilliseconds": 50,
        },
        "monitoring": {"scrapeAnnotations": False},
        "networkPolicy": {
            "monitoring": {
                "namespaceLabels": {"kubernetes.io/metadata.name": "monitoring"},
                "podLabels": {"app.kubernetes.io/name": "prometheus"},
            }
        },
    },
    "names": {
        "imagePullSecrets": [{"name": "my.registry"}],
        "database": {"external": {"secretName": "books", "key": "DATABASE_URL"}},
        "scheduling": {
            "nodeSelector": {"disk": "ssd", "empty": ""},
            "tolerations": [{"key": "example.com/gpu", "operator": "Exists"}, {}],
        },
    },
}


def fields(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of all fields of a schema that have no fields of their own."""
    if "properties" in schema:
        for name, field in schema["properties"].items():
            yield from fields(field, f"{path}.{name}" if path else name)
        return
    yield path
    if "items" in schema:
        yield from (found for found in fields(schema["items"], f"{path}[]") if found[-2:] != "[]")


def spec_with(path: str, value: Any) -> dict[str, Any]:
    """A spec in which one field has a value, and beside it what it needs."""
    outer, *inner = path.partition("[")[0].split(".")
    spec: dict[str, Any] = {}
    if not inner:
        return {outer: value}
    place = spec[outer] = dict(NEEDED.get(outer, {}))
    if path.startswith(("database.external.", "cache.external.")):
        place["external"] = {"secretName": "books"}
    for name in inner[:-1]:
        place = place.setdefault(name, {})
    place[inner[-1]] = value
    return spec


def name_of(case: str) -> str:
    """A BookStore's name that is in what is said about it."""
    cases = [*REFUSED, *TOGETHER, *SOUND]
    return f"case-{cases.index(case):03}-x"


@pytest.fixture(scope="module")
def said(cluster: Cluster) -> dict[str, str]:
    """What kubectl says about each BookStore that makes no sense, by its name."""
    specs = {path: spec_with(path, value) for path, (value, _) in REFUSED.items()}
    specs |= {name: spec for name, (spec, _) in TOGETHER.items()} | dict(SOUND)
    stores = {case: bookstore(name_of(case), **spec) for case, spec in specs.items()}
    kubectl = cluster.kubectl("default")
    # kubectl itself refuses a file with a value of another type, and sends nothing of it.
    of_another_type = [path for path, (_, words) in REFUSED.items() if words.startswith("expected")]
    alone = {name_of(path): apply(kubectl, [stores.pop(path)]) for path in of_another_type}
    told = apply(kubectl, list(stores.values()))
    parts = re.split(r"(?m)^(?=The BookStore |Error )", told)
    found = (re.search(r"case-\d+-x", part) for part in parts)
    return alone | {match[0]: part for match, part in zip(found, parts, strict=True) if match}


def apply(kubectl: Kubectl, stores: list[dict[str, Any]]) -> str:
    """Apply all, on the server but for keeps."""
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": stores})
    with pytest.raises(KubectlError) as refused:
        kubectl("apply", "--dry-run=server", "-f", "-", stdin=body)
    return str(refused.value)


def test_every_field_has_a_row() -> None:
    versions = crds()[0]["spec"]["versions"]
    spec = versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert sorted(REFUSED) == sorted(fields(spec))


@pytest.mark.parametrize("path", REFUSED)
def test_a_value_that_makes_no_sense_is_refused_naming_the_field(
    said: dict[str, str], path: str
) -> None:
    words = said[name_of(path)]
    field = re.escape(f"spec.{path}").replace(r"\[\]", r"\[0\]")
    field = field.replace("nodeSelector", "nodeSelector.disk")
    assert re.search(field.removesuffix(r"\[0\]"), words), words
    assert re.search(REFUSED[path][1], words, re.IGNORECASE), words


@pytest.mark.parametrize("case", TOGETHER)
def test_values_that_make_no_sense_together_are_refused(said: dict[str, str], case: str) -> None:
    assert re.search(TOGETHER[case][1], said[name_of(case)], re.DOTALL), said[name_of(case)]


@pytest.mark.parametrize("case", SOUND)
def test_what_makes_sense_is_taken(said: dict[str, str], case: str) -> None:
    assert name_of(case) not in said


def test_a_field_that_does_not_exist_is_refused_naming_it(cluster: Cluster) -> None:
    words = apply(cluster.kubectl("default"), [bookstore(config={"loglevel": "info"})])
    assert re.search(r'BookStore.spec.config\): unknown field "loglevel"', words), words


def test_a_bookstore_without_an_image_is_refused_naming_it(cluster: Cluster) -> None:
    store = bookstore()
    del store["spec"]["image"]
    words = apply(cluster.kubectl("default"), [store])
    assert re.search(r'BookStore.spec\): missing required field "image"', words), words
