"""For every field of a BookStore's spec: another valid value, and a spec in which it can be set."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bookstore_operator.crd.schema import crds

Spec = dict[str, Any]
Schema = Mapping[str, Any]

QUERY = "sum(rate(http_requests_total[1m]))"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
SECRET = "swept"
"""A Secret that must exist, with the keys `uri` (PostgreSQL), `redis`, `token`, `keys`, `smtp` and
`other`."""
PULL_SECRET = "swept-registry"


class Field(NamedTuple):
    """A field of the spec, and another valid value than the one that it has from the beginning."""

    path: tuple[str, ...]
    value: Any

    @property
    def name(self) -> str:
        """The path as in messages."""
        return "spec." + ".".join(self.path)


def fields() -> list[Field]:
    """Return all fields of the CRD's schema that hold a value, in its order."""
    crd = next(crd for crd in crds() if crd["spec"]["names"]["kind"] == "BookStore")
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return [Field(path, _another(path, leaf)) for path, leaf in _leaves(schema, ())]


def base_of(path: tuple[str, ...]) -> Spec:
    """Return what a spec needs so that a field can be set."""
    text = ".".join(path)
    longest = max((key for key in _NEEDED if text.startswith(key)), key=len, default="")
    return copy.deepcopy(_NEEDED.get(longest, {}))


def with_value(spec: Spec, path: tuple[str, ...], value: Any) -> Spec:
    """Return a spec with a field set."""
    changed = copy.deepcopy(spec)
    place = changed
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = value
    return changed


def merged(one: Spec, other: Mapping[str, Any]) -> Spec:
    """Return a spec with what another adds."""
    result = copy.deepcopy(one)
    for key, value in other.items():
        inner = result.get(key)
        if isinstance(inner, dict) and isinstance(value, Mapping):
            result[key] = merged(inner, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _leaves(schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Schema]]:
    for name, inner in schema["properties"].items():
        if inner.get("properties"):
            yield from _leaves(inner, (*path, name))
        else:
            yield (*path, name), inner


def _another(path: tuple[str, ...], schema: Schema) -> Any:
    text = ".".join(path)
    if text in _VALUES:
        return _VALUES[text]
    if text.endswith(_AMOUNTS):
        return "300Mi" if path[-1] != "cpu" else "150m"
    before = _NEEDED.get(text, {}).get(path[-1], schema.get("default"))
    if "enum" in schema:
        return next(value for value in schema["enum"] if value != before)
    if schema.get("type") == "boolean":
        return not before
    if schema.get("type") == "integer":
        low = schema["minimum"]
        return before + 1 if before is not None and before < schema["maximum"] else low + 1
    message = f"{text}: add another valid value to _VALUES"
    raise LookupError(message)


_AMOUNTS = (".cpu", ".memory", ".ephemeral-storage")
_PODS = {"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "kubernetes.io/hostname"}
_NODES = {"matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]}

_VALUES: dict[str, Any] = {
    "image": "localhost/bookstore-api:2",
    "imagePullSecrets": [{"name": PULL_SECRET}],
    "autoscaling.maxReplicas": 4,
    "database.embedded.storage.size": "2Gi",
    "database.embedded.storage.storageClassName": "none",
    "database.external.secretName": "swept-other",
    "database.external.key": "other",
    "database.external.directKey": "uri",
    "database.embedded.restoredFrom": "monday",
    "bootstrap.restore.backup": "20261127T031700Z-3fa91c",
    "bootstrap.restore.before": "2026-11-27T12:00:00Z",
    "bootstrap.restore.store": "other.shop",
    "bootstrap.restore.target.claimName": "old-backups",
    "bootstrap.restore.target.s3.bucket": "other",
    "bootstrap.restore.target.s3.prefix": "books",
    "bootstrap.restore.target.s3.endpoint": "http://127.0.0.1:1",
    "bootstrap.restore.target.s3.region": "eu-west-1",
    "bootstrap.restore.target.s3.credentialsSecretName": SECRET,
    "bootstrap.restore.target.s3.caSecretName": SECRET,
    "bootstrap.restore.encryption.secretName": "swept-other",
    "cache.external.secretName": "swept-other",
    "cache.external.key": "other-redis",
    "cache.embedded.resources.limits.memory": "192Mi",
    "cache.embedded.resources.requests.memory": "96Mi",
    "staff.secretName": SECRET,
    "staff.key": "other-token",
    "signingKeys.secretName": SECRET,
    "signingKeys.key": "other-keys",
    "smtp.secretName": "swept-other",
    "smtp.key": "other-smtp",
    "rollout.watch.prometheus.url": "http://127.0.0.1:1/",
    "rollout.watch.prometheus.requests": f"2 * {QUERY}",
    "rollout.watch.prometheus.errors": f"0.1 * {QUERY}",
    "rollout.watch.prometheus.slow": f"0.2 * {QUERY}",
    "backup.schedule": "@monthly",
    "backup.storage.size": "2Gi",
    "backup.storage.storageClassName": "none",
    "backup.timeZone": "Europe/Berlin",
    "backup.target.volume.size": "2Gi",
    "backup.target.volume.storageClassName": "none",
    "backup.target.s3.bucket": "other",
    "backup.target.s3.prefix": "books",
    "backup.target.s3.endpoint": "http://127.0.0.1:1",
    "backup.target.s3.region": "eu-west-1",
    "backup.target.s3.credentialsSecretName": SECRET,
    "backup.target.s3.caSecretName": SECRET,
    "backup.encryption.secretName": "swept-other",
    "backup.drill.schedule": "@monthly",
    "backup.drill.size": "3Gi",
    "config.docs": True,
    "config.corsOrigins": ["https://books.example"],
    "config.trustedProxies": ["10.0.0.0/8", "fd00::/8"],
    "config.rateLimits.reads": "100/minute",
    "config.rateLimits.writes": "off",
    "config.mailFrom": "shop@books.example",
    "config.publicUrl": "https://books.example",
    "env": [
        {"name": "A", "value": ""},
        {"name": "B", "secretKeyRef": {"name": SECRET, "key": "other"}},
    ],
    "secretMounts": [{"secretName": SECRET, "mountPath": "/mnt/swept"}],
    "scheduling.nodeSelector": {"kubernetes.io/os": "linux"},
    "scheduling.tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
    "scheduling.priorityClassName": "system-cluster-critical",
    f"scheduling.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms": [_NODES],
    f"scheduling.affinity.nodeAffinity.{PREFERRED}": [{"weight": 1, "preference": _NODES}],
    f"scheduling.affinity.podAffinity.{REQUIRED}": [{**_PODS, "labelSelector": {}}],
    f"scheduling.affinity.podAffinity.{PREFERRED}": [{"weight": 1, "podAffinityTerm": _PODS}],
    f"scheduling.affinity.podAntiAffinity.{REQUIRED}": [_PODS],
    f"scheduling.affinity.podAntiAffinity.{PREFERRED}": [{"weight": 1, "podAffinityTerm": _PODS}],
    "podMetadata.labels": {"team": "books"},
    "podMetadata.annotations": {"example.com/a": "b"},
    "serviceAccountName": "swept",
    "service.nodePort": 30001,
    "service.annotations": {"example.com/a": "b"},
    "service.loadBalancerClass": "example.com/other",
    "service.externalTrafficPolicy": "Local",
    "ingress.host": "other.example",
    "ingress.className": "none",
    "ingress.path": "/v1",
    "ingress.tlsSecretName": SECRET,
    "ingress.annotations": {"example.com/a": "b"},
    "networkPolicy.monitoring.namespaceLabels": {"team": "watch"},
    "networkPolicy.monitoring.podLabels": {"app": "prometheus"},
}

_PROMETHEUS = {"url": "http://127.0.0.1:1", "requests": QUERY, "errors": QUERY, "slow": QUERY}
_YEARLY = "0 3 1 1 *"


def _backup(**fields: Any) -> Spec:
    return {"backup": {"schedule": _YEARLY, **fields}}


_NEEDED: dict[str, Spec] = {
    "autoscaling.": {"autoscaling": {"maxReplicas": 3}},
    "backup.": _backup(),
    "backup.target.volume.": _backup(target={"volume": {}}),
    "backup.target.s3.": _backup(target={"s3": {"bucket": "books"}}),
    "backup.encryption.": _backup(encryption={"secretName": SECRET}),
    "backup.drill.": _backup(drill={"schedule": _YEARLY}),
    "bootstrap.": {"bootstrap": {"restore": {}}},
    "bootstrap.restore.target.s3.": {
        "bootstrap": {"restore": {"target": {"s3": {"bucket": "books"}}}}
    },
    "cache.embedded.": {"cache": {"embedded": {}}},
    "cache.external.": {"cache": {"external": {"secretName": SECRET, "key": "redis"}}},
    "database.external.": {"database": {"external": {"secretName": SECRET}}},
    "staff.key": {"staff": {"secretName": SECRET}},
    "signingKeys.key": {"signingKeys": {"secretName": SECRET}},
    "smtp.": {"smtp": {"secretName": SECRET, "key": "smtp"}},
    "rollout.watch.prometheus.": {"rollout": {"watch": {"prometheus": _PROMETHEUS}}},
    # One that the API server has chosen would be kept, whatever was removed.
    "service.nodePort": {"service": {"type": "NodePort", "nodePort": 30002}},
    # The class can be set when the type becomes LoadBalancer only.
    "service.loadBalancerClass": {"service": {"type": "LoadBalancer"}},
    "service.externalTrafficPolicy": {"service": {"type": "NodePort", "nodePort": 30003}},
    "ingress.": {"ingress": {"host": "books.example"}},
}
