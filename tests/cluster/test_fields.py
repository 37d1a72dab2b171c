"""P3, configuration validation: for each field of a BookStore, an invalid value and its rejection.

No operator runs here. All BookStores are applied at once with kubectl, as a user applies them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.schema import crds
from bookstore_operator.crd.spec.cache import Cache, EmbeddedCache
from demo.kubectl import Kubectl, KubectlError
from tests.cluster.conftest import Cluster, bookstore

pytestmark = pytest.mark.cluster

LONG = "x" * 254
AMOUNTS = {"cpu": "half", "memory": "1 Gi", "ephemeral-storage": "1GB"}
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
REQUIRED_DURING = "requiredDuringSchedulingIgnoredDuringExecution"


def resources(path: str) -> dict[str, tuple[Any, str]]:
    """Return the rows of a container's resources."""
    return {
        f"{path}.{part}.{name}": (value, "should match")
        for part in ("requests", "limits")
        for name, value in AMOUNTS.items()
    }


def variable(source: str, **changes: str) -> list[dict[str, Any]]:
    """Return variables with one that is read from an object."""
    return [{"name": "A", source: {"name": "own", "key": "key", **changes}}]


def item_of(path: str) -> Any:
    """Return a valid item of a list in `scheduling.affinity`."""
    pods = {"labelSelector": {}, "topologyKey": "zone"}
    nodes = {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}
    term = {"preference": nodes} if "nodeAffinity" in path else {"podAffinityTerm": pods}
    items: dict[str, Any] = {
        "matchExpressions": {"key": "zone", "operator": "Exists"},
        "nodeSelectorTerms": nodes,
        REQUIRED_DURING: pods,
        PREFERRED: {"weight": 1, **term},
    }
    return json.loads(json.dumps(items[path.rpartition(".")[2]]))


def placed(path: str, value: Any) -> Any:
    """Return the value of the outermost list of a path, valid but for its innermost value."""
    parts = path.split("[].")
    for depth in range(len(parts) - 1, 0, -1):
        item = place = item_of("[].".join(parts[:depth]))
        *groups, name = parts[depth].split(".")
        for group in groups:
            place = place[group]
        place[name] = value
        value = [item]
    return value


def affinity() -> dict[str, tuple[Any, str]]:
    """Return the rows of `scheduling.affinity`."""
    requirement: dict[str, tuple[Any, str]] = {
        "": ([{"key": "zone", "operator": "Exists"}] * 11, "must have at most 10 items"),
        "[].key": ("a key", "should match"),
        "[].operator": ("Like", "supported values: "),
        "[].values": (["not a value"], "should match"),
    }
    pods = {
        **{f"labelSelector.matchExpressions{tail}": row for tail, row in requirement.items()},
        "labelSelector.matchLabels": ({"disk": "not a value"}, "should match"),
        "topologyKey": ("a key", "should match"),
    }
    nodes = {f"matchExpressions{tail}": row for tail, row in requirement.items()}
    rows: dict[str, tuple[Any, str]] = {}
    for group, required, preferred, term in (
        ("nodeAffinity", f"{REQUIRED_DURING}.nodeSelectorTerms", "preference", nodes),
        ("podAffinity", REQUIRED_DURING, "podAffinityTerm", pods),
        ("podAntiAffinity", REQUIRED_DURING, "podAffinityTerm", pods),
    ):
        path = f"scheduling.affinity.{group}"
        rows |= {f"{path}.{required}[].{tail}": row for tail, row in term.items()}
        rows |= {f"{path}.{PREFERRED}[].{preferred}.{tail}": row for tail, row in term.items()}
        rows[f"{path}.{PREFERRED}[].weight"] = (101, "should be less than or equal to 100")
        for name in (required, PREFERRED):
            items = [item_of(f"{path}.{name}")] * 11
            rows[f"{path}.{name}"] = (items, "must have at most 10 items")
    return {path: (placed(path, value), text) for path, (value, text) in rows.items()}


INVALID: Mapping[str, tuple[Any, str]] = {
    "image": ("two words", r"should match '\^\\S\+\$'"),
    "environment": ("test", 'supported values: "production", "staging", "development"'),
    "imagePullPolicy": ("Sometimes", 'supported values: "Always", "IfNotPresent", "Never"'),
    "imagePullSecrets": ([{"name": "one"}] * 11, "must have at most 10 items"),
    "imagePullSecrets[].name": ([{"name": "Not a name"}], "should match"),
    "replicas": (-1, "should be greater than or equal to 0"),
    "autoscaling.minReplicas": (0, "should be greater than or equal to 1"),
    "autoscaling.maxReplicas": (1001, "should be less than or equal to 1000"),
    "autoscaling.targetCpuPercent": (101, "should be less than or equal to 100"),
    "autoscaling.scaleDownStabilizationSeconds": (3601, "should be less than or equal to 3600"),
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
    "signingKeys.secretName": ("Not a name", "should match"),
    "signingKeys.key": ("no/key", "should match"),
    "signingKeys.rotateEveryDays": (3651, "should be less than or equal to 3650"),
    "smtp.secretName": ("Not a name", "should match"),
    "smtp.key": ("no/key", "should match"),
    "migration.timeoutSeconds": (0, "should be greater than or equal to 1"),
    "migration.attempts": (21, "should be less than or equal to 20"),
    "migration.contract": ("Perhaps", 'supported values: "Automatic", "Manual", "Never"'),
    "rollout.progressDeadlineSeconds": (86401, "should be less than or equal to 86400"),
    "rollout.scaleDownDelaySeconds": (-1, "should be greater than or equal to 0"),
    "rollout.promotion": ("Perhaps", 'supported values: "Automatic", "After", "Manual"'),
    "rollout.promoteAfterSeconds": (86401, "should be less than or equal to 86400"),
    "rollout.watch.seconds": (86401, "should be less than or equal to 86400"),
    "rollout.watch.maxErrorPercent": (101, "should be less than or equal to 100"),
    "rollout.watch.maxSlowPercent": (-1, "should be greater than or equal to 0"),
    "rollout.watch.slowMilliseconds": (300, 'supported values: "5", "10"'),
    "rollout.watch.maxRestarts": (-1, "should be greater than or equal to 0"),
    "rollout.watch.minRequests": (0, "should be greater than or equal to 1"),
    "rollout.watch.onInconclusive": ("Perhaps", 'supported values: "Promote"'),
    "rollout.watch.prometheus.url": ("ftp://prometheus", "should match"),
    "rollout.watch.prometheus.requests": ("", "should be at least 1 chars long"),
    "rollout.watch.prometheus.errors": ("", "should be at least 1 chars long"),
    "rollout.watch.prometheus.slow": ("", "should be at least 1 chars long"),
    "rollout.rollbackWindowSeconds": (-1, "should be greater than or equal to 0"),
    "rollout.historyLimit": (1, "should be greater than or equal to 2"),
    "backup.schedule": ("now and then", "should match"),
    "backup.keep": (0, "should be greater than or equal to 1"),
    "backup.timeZone": ("Europe/Central Berlin", "should match"),
    "backup.target.volume.size": ("1Pi", "should match"),
    "backup.target.volume.storageClassName": ("Not a name", "should match"),
    "backup.target.s3.bucket": ("Books", "should match"),
    "backup.target.s3.prefix": ("/books", "should match"),
    "backup.target.s3.endpoint": ("http://store/books", "should match"),
    "backup.target.s3.region": ("eu west", "should match"),
    "backup.target.s3.virtualHost": ("perhaps", "must be of type boolean"),
    "backup.target.s3.sha256": ("perhaps", "must be of type boolean"),
    "backup.target.s3.credentialsSecretName": ("Not a name", "should match"),
    "backup.target.s3.caSecretName": ("Not a name", "should match"),
    "backup.retention.keepLast": (-1, "should be greater than or equal to 0"),
    "backup.retention.keepDaily": (1001, "should be less than or equal to 1000"),
    "backup.retention.keepWeekly": (-1, "should be greater than or equal to 0"),
    "backup.retention.keepMonthly": (-1, "should be greater than or equal to 0"),
    "backup.retention.minimum": (0, "should be greater than or equal to 1"),
    "bootstrap.restore.backup": (LONG, "may not be more than 253"),
    "bootstrap.restore.before": ("yesterday", "must be of type date-time|invalid"),
    "bootstrap.restore.store": ("shop", "should match"),
    "bootstrap.restore.attempts": (0, "should be greater than or equal to 1"),
    "bootstrap.restore.timeoutSeconds": (59, "should be greater than or equal to 60"),
    **resources("bootstrap.restore.resources"),
    "bootstrap.restore.encryption.secretName": ("Not a name", "should match"),
    "bootstrap.restore.target.claimName": ("Not a name", "should match"),
    "bootstrap.restore.target.s3.bucket": ("Books", "should match"),
    "bootstrap.restore.target.s3.prefix": ("/books", "should match"),
    "bootstrap.restore.target.s3.endpoint": ("http://store/books", "should match"),
    "bootstrap.restore.target.s3.region": ("eu west", "should match"),
    "bootstrap.restore.target.s3.virtualHost": ("perhaps", 'expected "boolean"'),
    "bootstrap.restore.target.s3.sha256": ("perhaps", 'expected "boolean"'),
    "bootstrap.restore.target.s3.credentialsSecretName": ("Not a name", "should match"),
    "bootstrap.restore.target.s3.caSecretName": ("Not a name", "should match"),
    "database.embedded.restoredFrom": ("Not a name", "should match"),
    "backup.encryption.secretName": ("Not a name", "should match"),
    "backup.drill.schedule": ("now and then", "should match"),
    "backup.drill.timeoutSeconds": (59, "should be greater than or equal to 60"),
    "backup.drill.size": ("1Pi", "should match"),
    "backup.storage.size": ("1Pi", "should match"),
    "backup.storage.storageClassName": (LONG, "at most 253|more than 253"),
    "backup.timeoutSeconds": (59, "should be greater than or equal to 60"),
    "backup.beforeMigration": ("never", 'supported values: "maxAge", "always", "skip"'),
    "backup.maxAgeSeconds": (59, "should be greater than or equal to 60"),
    "backup.suspend": ("perhaps", 'expected "boolean"'),
    "config.logLevel": ("loud", 'supported values: "debug"'),
    "config.drainSeconds": (301, "should be less than or equal to 300"),
    "config.shutdownSeconds": (0, "should be greater than or equal to 1"),
    "config.databasePoolSize": (101, "should be less than or equal to 100"),
    "config.docs": ("perhaps", 'expected "boolean"'),
    "config.corsOrigins": (["https://shop.example/"], "should match"),
    "config.trustedProxies": (["10.0.0.1/8"], "no host bits set"),
    "config.rateLimits.reads": ("often", "should match"),
    "config.rateLimits.writes": ("0/minute", "should match"),
    "config.maxBodyBytes": (1023, "should be greater than or equal to 1024"),
    "config.maxHeaderBytes": (1048577, "should be less than or equal to 1048576"),
    "config.headerSeconds": (0, "should be greater than or equal to 1"),
    "config.bodySeconds": (3601, "should be less than or equal to 3600"),
    "config.connectionMaxAgeSeconds": (0, "should be greater than or equal to 1"),
    "config.redisTimeoutMilliseconds": (10001, "should be less than or equal to 10000"),
    "config.mailFrom": ("The shop <shop@books.example>", "should match"),
    "config.publicUrl": ("https://books.example/?a=b", "should match"),
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
    **affinity(),
    **resources("migration.resources"),
    **resources("backup.resources"),
    **resources("backup.drill.resources"),
    **{
        f"{group}resources.{part}.ephemeral-storage": ("1GB", "should match")
        for group in ("", "database.embedded.", "cache.embedded.")
        for part in ("requests", "limits")
    },
    "env": ([{"name": f"A{n}", "value": ""} for n in range(51)], "must have at most 50 items"),
    "env[].name": ([{"name": "1st", "value": ""}], "should match"),
    "env[].value": ([{"name": "A", "value": "x" * 2049}], "2048"),
    "env[].secretKeyRef.name": (variable("secretKeyRef", name="Not a name"), "should match"),
    "env[].secretKeyRef.key": (variable("secretKeyRef", key="no/key"), "should match"),
    "env[].configMapKeyRef.name": (variable("configMapKeyRef", name="Not a name"), "should match"),
    "env[].configMapKeyRef.key": (variable("configMapKeyRef", key="no/key"), "should match"),
    "secretMounts": (
        [{"secretName": "own", "mountPath": f"/own/{n}"} for n in range(11)],
        "must have at most 10 items",
    ),
    "secretMounts[].secretName": (
        [{"secretName": "Not a name", "mountPath": "/a"}],
        "should match",
    ),
    "secretMounts[].mountPath": ([{"secretName": "own", "mountPath": "own"}], "should match"),
    "podMetadata.labels": ({"disk": "not a value"}, "should match"),
    "podMetadata.annotations": ({"disk": "x" * 1025}, "1024"),
    "serviceAccountName": ("Not a name", "should match"),
    "service.type": ("ExternalName", 'supported values: "ClusterIP"'),
    "service.ipFamilyPolicy": ("Both", 'supported values: "SingleStack"'),
    "service.port": (0, "should be greater than or equal to 1"),
    "service.nodePort": (65536, "should be less than or equal to 65535"),
    "service.annotations": ({"a": "x" * 2049}, "2048"),
    "service.loadBalancerClass": ("a class", "should match"),
    "service.externalTrafficPolicy": ("Both", 'supported values: "Cluster", "Local"'),
    "ingress.host": ("Books.example", "should match"),
    "ingress.className": ("Not a name", "should match"),
    "ingress.path": ("/v1/", "should match"),
    "ingress.tlsSecretName": ("Not a name", "should match"),
    "ingress.annotations": ({"a": "x" * 2049}, "2048"),
    "networkPolicy.enabled": ("yes", 'expected "boolean"'),
    "networkPolicy.monitoring.namespaceLabels": ({"team": "not a value"}, "should match"),
    "networkPolicy.monitoring.podLabels": ({"app": "-"}, "should match"),
    "monitoring.scrapeAnnotations": ("yes", 'expected "boolean"'),
    "deletionPolicy": ("Perhaps", 'supported values: "Retain", "Delete"'),
    "paused": ("no", 'expected "boolean"'),
}
"""Field → (an invalid value, a pattern of the API server's error)."""

REQUIRED: Mapping[str, dict[str, Any]] = {
    "autoscaling": {"maxReplicas": 5},
    "backup": {"schedule": "@daily"},
    "service": {"type": "LoadBalancer"},
    "ingress": {"host": "books.example"},
    "smtp": {"secretName": "mails"},
}
"""The other fields that a group requires, so that only the field in question is invalid."""

INVALID_TOGETHER: Mapping[str, tuple[dict[str, Any], str]] = {
    "replicas-and-autoscaling": (
        {"replicas": 3, "autoscaling": {"maxReplicas": 3}},
        "spec.*only one of replicas and autoscaling may be set",
    ),
    "fewer-than-least": (
        {"autoscaling": {"minReplicas": 5, "maxReplicas": 3}},
        "spec.autoscaling.*autoscaling.minReplicas must not be greater",
    ),
    "no-database": ({"database": {}}, "spec.database.*exactly one of database.embedded and"),
    "two-databases": (
        {"database": {"embedded": {}, "external": {"secretName": "books"}}},
        "spec.database.*exactly one of database.embedded and",
    ),
    "node-port-of-a-cluster-ip": (
        {"service": {"type": "ClusterIP", "nodePort": 30001}},
        "spec.service.*service.nodePort requires service.type",
    ),
    "a-class-of-no-load-balancer": (
        {"service": {"type": "NodePort", "loadBalancerClass": "example.com/other"}},
        "spec.service.*service.loadBalancerClass requires service.type LoadBalancer",
    ),
    "external-traffic-of-a-cluster-ip": (
        {"service": {"externalTrafficPolicy": "Local"}},
        "spec.service.*service.externalTrafficPolicy requires service.type NodePort",
    ),
    "an-ingress-annotation-of-the-operator": (
        {"ingress": {"host": "books.example", "annotations": {"bookstore.dev/applied": "1"}}},
        "spec.ingress.annotations.*annotations must not contain one of bookstore.dev",
    ),
    "two-caches": (
        {"cache": {"embedded": {}, "external": {"secretName": "redis"}}},
        "spec.cache.*at most one of cache.embedded and cache.external",
    ),
    "a-cache-of-any-size": (
        {"cache": {"embedded": {"resources": {"limits": {"cpu": 1}}}}},
        "spec.cache.embedded.*cache.embedded.resources.limits.memory is required",
    ),
    "a-cache-that-is-too-small": (
        {"cache": {"embedded": {"resources": {"limits": {"memory": "31Mi"}}}}},
        "spec.cache.embedded.*resources.limits.memory is required and must be at least 32Mi",
    ),
    "a-key-of-no-secret": (
        {"staff": {"key": "bearer"}},
        "spec.staff.*staff.key requires staff.secretName",
    ),
    "a-key-set-of-no-secret": (
        {"signingKeys": {"key": "set"}},
        "spec.signingKeys.*signingKeys.key requires signingKeys.secretName",
    ),
    "two-targets": (
        {"backup": {"schedule": "@daily", "target": {"volume": {}, "s3": {"bucket": "books"}}}},
        "spec.backup.target.*at most one of volume and s3",
    ),
    "any-origin-in-production": (
        {"config": {"corsOrigins": ["https://shop.example", "*"]}},
        "spec.*config.corsOrigins may contain the wildcard . in environment development only",
    ),
    "any-origin-in-staging": (
        {"environment": "staging", "config": {"corsOrigins": ["*"]}},
        "spec.*config.corsOrigins may contain the wildcard . in environment development only",
    ),
    "an-address-for-a-network": (
        {"config": {"trustedProxies": ["fd00::/8", "10.0.0.1"]}},
        r"spec.config.trustedProxies\[1\].*a trusted proxy must be a network",
    ),
    "nobody-may-scrape": (
        {"networkPolicy": {"monitoring": {}}},
        "spec.networkPolicy.monitoring.*networkPolicy.monitoring must set namespaceLabels",
    ),
    "a-label-of-the-operator": (
        {"podMetadata": {"labels": {"app.kubernetes.io/component": "api"}}},
        "spec.podMetadata.labels.*podMetadata.labels must not contain a label that the operator",
    ),
    "a-label-of-kubernetes": (
        {"podMetadata": {"labels": {"pod-template-hash": "1"}}},
        "spec.podMetadata.labels.*podMetadata.labels must not contain a label that the operator",
    ),
    "a-label-of-another-name": (
        {"podMetadata": {"labels": {"n" * 64: "1"}}},
        "spec.podMetadata.labels.*each key must be a name of at most 63 letters",
    ),
    "an-annotation-of-the-operator": (
        {"podMetadata": {"annotations": {"bookstore.dev/applied": "1"}}},
        "spec.podMetadata.annotations.*must not contain an annotation of bookstore.dev",
    ),
    "a-node-selector-of-no-label": (
        {"scheduling": {"nodeSelector": {"two words": "1"}}},
        "spec.scheduling.nodeSelector.*each key must be a name of at most 63 letters",
    ),
    "a-variable-of-the-operator": (
        {"env": [{"name": "BOOKSTORE_HOST", "value": "::"}]},
        r"spec.env\[0\].name.*names that begin with BOOKSTORE_ are reserved",
    ),
    "a-variable-twice": (
        {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        r"spec.env\[1\].*Duplicate value",
    ),
    "a-variable-from-two-sources": (
        {"env": [{"name": "A", "value": "1", "secretKeyRef": {"name": "own", "key": "a"}}]},
        r"spec.env\[0\].*exactly one of value, secretKeyRef and configMapKeyRef",
    ),
    "a-variable-from-nowhere": (
        {"env": [{"name": "A"}]},
        r"spec.env\[0\].*exactly one of value, secretKeyRef and configMapKeyRef",
    ),
    "a-mount-over-the-operators": (
        {"secretMounts": [{"secretName": "own", "mountPath": "/run/secrets/bookstore/database"}]},
        r"spec.secretMounts\[0\].mountPath.*are reserved for the operator",
    ),
    "a-mount-that-hides-the-operators": (
        {"secretMounts": [{"secretName": "own", "mountPath": "/run/secrets"}]},
        r"spec.secretMounts\[0\].mountPath.*are reserved for the operator",
    ),
    "a-mount-that-leads-out": (
        {"secretMounts": [{"secretName": "own", "mountPath": "/own/../tmp"}]},
        r"spec.secretMounts\[0\].mountPath.*must not contain the elements",
    ),
    "an-affinity-without-values": (
        {
            "scheduling": {
                "affinity": {
                    "nodeAffinity": {
                        REQUIRED_DURING: {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "zone", "operator": "In"}]}
                            ]
                        }
                    }
                }
            }
        },
        "matchExpressions.*values are required",
    ),
    "more-memory-than-allowed": (
        {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1900M"}}},
        "spec.resources.*resources.requests.memory must not be greater",
    ),
    "more-cpu-than-allowed": (
        {"database": {"embedded": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}}},
        "spec.database.embedded.resources.*resources.requests.cpu must not be greater",
    ),
}
"""Values that are valid alone, but not together, and a pattern of the error."""

VALID: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "the-default-and-autoscaling": {"replicas": 2, "autoscaling": {"maxReplicas": 3}},
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
        "signingKeys": {"secretName": "accounts", "key": "set", "rotateEveryDays": 0},
        "smtp": {"secretName": "mails", "key": "server"},
        "config": {
            "mailFrom": "no-reply+shop@mail.books.example",
            "publicUrl": "https://[fd00::7]:8443/shop/de",
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
    "all-about-pods": {
        "podMetadata": {
            "labels": {"team": "books", "example.com/cost-center": "1"},
            "annotations": {"sidecar.istio.io/inject": "false", "note": "any text: {}"},
        },
        "env": [
            {"name": "MOOD", "value": ""},
            {"name": "_key", "secretKeyRef": {"name": "own", "key": "key"}},
            {"name": "FLAG", "configMapKeyRef": {"name": "flags", "key": "flag"}},
        ],
        "secretMounts": [
            {"secretName": "own", "mountPath": "/run/secrets/own"},
            {"secretName": "own.ca", "mountPath": "/tmpfiles/..data/ca"},
        ],
        "migration": {"resources": {"limits": {"cpu": 1}}},
        "backup": {
            "schedule": "@daily",
            "resources": {"requests": {"ephemeral-storage": "1Gi"}},
        },
        "scheduling": {
            "affinity": {
                "nodeAffinity": {
                    REQUIRED_DURING: {
                        "nodeSelectorTerms": [
                            {
                                "matchExpressions": [
                                    {"key": "zone", "operator": "In", "values": ["a", "b"]},
                                    {"key": "example.com/gpu", "operator": "DoesNotExist"},
                                ]
                            }
                        ]
                    }
                },
                "podAntiAffinity": {
                    REQUIRED_DURING: [
                        {"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "zone"}
                    ]
                },
            }
        },
    },
    "exposed": {
        "service": {
            "type": "LoadBalancer",
            "loadBalancerClass": "service.k8s.aws/nlb",
            "externalTrafficPolicy": "Local",
            "annotations": {"example.com/scheme": "internal, and any text: {}"},
        },
        "ingress": {
            "host": "books-1.example.com",
            "path": "/v1/books",
            "className": "traefik",
            "tlsSecretName": "books.tls",
            "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"},
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
    """Yield the paths of the leaf fields of a schema."""
    if "properties" in schema:
        for name, field in schema["properties"].items():
            yield from fields(field, f"{path}.{name}" if path else name)
        return
    yield path
    if "items" in schema:
        yield from (leaf for leaf in fields(schema["items"], f"{path}[]") if leaf[-2:] != "[]")


def spec_with(path: str, value: Any) -> dict[str, Any]:
    """Return a spec with one field set, and the fields that its group requires."""
    outer, *inner = path.partition("[")[0].split(".")
    spec: dict[str, Any] = {}
    if not inner:
        return {outer: value}
    place = spec[outer] = dict(REQUIRED.get(outer, {}))
    if path.startswith(("database.external.", "cache.external.")):
        place["external"] = {"secretName": "books"}
    if path.startswith("rollout.watch.prometheus."):
        place["watch"] = {"prometheus": {"url": "http://prometheus"}}
    if path.startswith("backup.target.s3."):
        place["target"] = {"s3": {"bucket": "books"}}
    if path.startswith("bootstrap.restore.target.s3."):
        place["restore"] = {"target": {"s3": {"bucket": "books"}}}
    if path.startswith("backup.drill."):
        place["drill"] = {"schedule": "@weekly"}
    for name in inner[:-1]:
        place = place.setdefault(name, {})
    place[inner[-1]] = value
    return spec


def name_of(case: str) -> str:
    """Return the name of a case's BookStore, which the error about it contains."""
    cases = [*INVALID, *INVALID_TOGETHER, *VALID]
    return f"case-{cases.index(case):03}-x"


@pytest.fixture(scope="module")
def errors(cluster: Cluster) -> dict[str, str]:
    """Return kubectl's error about each invalid BookStore, by the BookStore's name."""
    specs = {path: spec_with(path, value) for path, (value, _) in INVALID.items()}
    specs |= {name: spec for name, (spec, _) in INVALID_TOGETHER.items()} | dict(VALID)
    stores = {case: bookstore(name_of(case), **spec) for case, spec in specs.items()}
    kubectl = cluster.kubectl("default")
    # kubectl rejects a file with a value of the wrong type before it sends any object of it.
    wrong_type = [path for path, (_, text) in INVALID.items() if text.startswith("expected")]
    alone = {name_of(path): apply(kubectl, [stores.pop(path)]) for path in wrong_type}
    output = apply(kubectl, list(stores.values()))
    assert "error validating" not in output, f"kubectl has sent nothing: {output}"
    parts = re.split(r"(?m)^(?=The BookStore |Error )", output)
    matches = (re.search(r"case-\d+-x", part) for part in parts)
    return alone | {match[0]: part for match, part in zip(matches, parts, strict=True) if match}


def apply(kubectl: Kubectl, stores: list[dict[str, Any]]) -> str:
    """Apply all with a server-side dry run and return kubectl's errors."""
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": stores})
    with pytest.raises(KubectlError) as error:
        kubectl("apply", "--dry-run=server", "-f", "-", stdin=body)
    return str(error.value)


def test_every_field_has_a_row() -> None:
    versions = crds()[0]["spec"]["versions"]
    spec = versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert sorted(INVALID) == sorted(fields(spec))


@pytest.mark.parametrize("path", INVALID)
def test_an_invalid_value_is_rejected_with_the_name_of_its_field(
    errors: dict[str, str], path: str
) -> None:
    error = errors[name_of(path)]
    field = re.escape(f"spec.{path}").replace(r"\[\]", r"\[0\]")
    field = field.replace(r"scheduling\.nodeSelector", r"scheduling\.nodeSelector\.disk")
    assert re.search(field.removesuffix(r"\[0\]"), error), error
    assert re.search(INVALID[path][1], error, re.IGNORECASE), error


@pytest.mark.parametrize("case", INVALID_TOGETHER)
def test_values_that_contradict_each_other_are_rejected(errors: dict[str, str], case: str) -> None:
    error = errors[name_of(case)]
    assert re.search(INVALID_TOGETHER[case][1], error, re.DOTALL), error


@pytest.mark.parametrize("case", VALID)
def test_a_valid_spec_is_accepted(errors: dict[str, str], case: str) -> None:
    assert name_of(case) not in errors


def test_an_unknown_field_is_rejected_with_its_name(cluster: Cluster) -> None:
    error = apply(cluster.kubectl("default"), [bookstore(config={"loglevel": "info"})])
    assert re.search(r'BookStore.spec.config\): unknown field "loglevel"', error), error


def test_a_bookstore_without_an_image_is_rejected_with_the_name_of_the_field(
    cluster: Cluster,
) -> None:
    store = bookstore()
    del store["spec"]["image"]
    error = apply(cluster.kubectl("default"), [store])
    assert re.search(r'BookStore.spec\): missing required field "image"', error), error


EMPTY: dict[str, Any] = {
    "cache": {"embedded": {}},
    "database": {"embedded": {}},
    "podMetadata": {"labels": {}, "annotations": {}},
    "scheduling": {"nodeSelector": {}, "affinity": {}, "tolerations": []},
    "migration": {"resources": {}},
    "rollout": {"watch": {}},
    "env": [],
}
FILLED: dict[str, Any] = {
    "cache": {"embedded": {"resources": {"requests": {"cpu": "50m"}}}},
    "database": {"embedded": {"resources": {"requests": {"cpu": "50m"}}}},
    "podMetadata": {"labels": {"team": "a"}, "annotations": {"team": "a"}},
    "scheduling": {
        "nodeSelector": {"disk": "ssd"},
        "affinity": {"podAffinity": {PREFERRED: [item_of(f"podAffinity.{PREFERRED}")]}},
        "tolerations": [{"operator": "Exists"}],
    },
    "migration": {"resources": {"requests": {"cpu": "50m"}}},
    "rollout": {"watch": {"seconds": 3}},
    "env": [{"name": "A", "value": "1"}],
}


def test_what_was_filled_can_be_applied_empty_again(cluster: Cluster) -> None:
    """Server-side apply sets to null what was emptied: allowed, or there is a default."""
    kubectl = cluster.kubectl("default")
    for spec in (EMPTY, FILLED, EMPTY):
        kubectl.apply(bookstore("emptied", **spec))
    stored = json.loads(kubectl("get", "bookstore", "emptied", "-o", "json"))["spec"]
    kubectl("delete", "bookstore", "emptied", "--wait=false")
    assert stored["podMetadata"] == {"labels": {}, "annotations": {}}
    model = BookStoreSpec.model_validate(stored)
    assert model.cache == Cache(embedded=EmbeddedCache())
    assert model.scheduling.affinity is None
