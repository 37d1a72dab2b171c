"""Each kind of object as the builders make it, kept as YAML that people can read.

After an intended change: `python -m tests.operator.test_golden`, then look at the difference.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bookstore_operator.components.backup import manifests as backup
from bookstore_operator.components.backup.drill import drill_cron_job
from bookstore_operator.components.cache import manifests as cache
from bookstore_operator.components.database import manifests as database
from bookstore_operator.components.database.servers import Server
from bookstore_operator.components.ingress.manifests import ingress_manifest
from bookstore_operator.components.network import manifests as network
from bookstore_operator.components.serving import manifests as scaling
from bookstore_operator.components.serving.manifests import active_service, deployment
from bookstore_operator.components.staff import manifests as staff
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.intent import intent_of
from bookstore_operator.crd.release import BookStoreRelease, Color
from bookstore_operator.crd.spec.autoscaling import Autoscaling
from bookstore_operator.crd.spec.backup import Backup, Drill
from bookstore_operator.crd.spec.ingress import Ingress
from bookstore_operator.releases.manifests import migration_job, release
from tests.support.world import World

pytestmark = pytest.mark.golden

FOLDER = Path(__file__).parent / "golden"
POSTGRES = "postgres:18"
VALKEY = "valkey/valkey:8.1"

MINIMAL = {"image": "registry.example/bookstore-api:1.2.3"}
RICH = {
    **MINIMAL,
    "imagePullPolicy": "Always",
    "imagePullSecrets": [{"name": "registry"}],
    "autoscaling": {"minReplicas": 3, "maxReplicas": 12},
    "database": {
        "external": {"secretName": "books", "key": "pooled", "directKey": "direct"},
    },
    "cache": {"external": {"secretName": "redis", "key": "url"}},
    "staff": {"secretName": "clerks", "key": "bearer"},
    "environment": "staging",
    "config": {
        "logLevel": "debug",
        "drainSeconds": 15,
        "databasePoolSize": 20,
        "docs": False,
        "corsOrigins": ["https://shop.example", "https://admin.shop.example"],
        "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
        "rateLimits": {"reads": "off", "writes": "60/minute"},
        "maxBodyBytes": 65536,
        "connectionMaxAgeSeconds": 120,
        "redisTimeoutMilliseconds": 50,
    },
    "monitoring": {"scrapeAnnotations": False},
    "networkPolicy": {
        "monitoring": {
            "namespaceLabels": {"kubernetes.io/metadata.name": "monitoring"},
            "podLabels": {"app.kubernetes.io/name": "prometheus"},
        }
    },
    "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": "2"}},
    "scheduling": {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "books", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "high",
    },
    "service": {"type": "NodePort", "port": 8080, "nodePort": 30080},
    "ingress": {
        "className": "traefik",
        "host": "books.example",
        "path": "/v1",
        "tlsSecretName": "books-tls",
        "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"},
    },
    "backup": {"schedule": "17 3 * * *", "keep": 3, "storage": {"storageClassName": "slow"}},
    "deletionPolicy": "Delete",
}


def store(spec: dict[str, Any]) -> BookStore:
    metadata = {"name": "demo", "namespace": "shop", "uid": "uid-of-demo", "generation": 1}
    return BookStore.model_validate({"metadata": metadata, "spec": spec})


def released(spec: dict[str, Any], revision: int, color: Color) -> BookStoreRelease:
    manifest = release(store(spec), revision, 1, color, intent_of(store(spec).spec))
    manifest["metadata"]["uid"] = "uid-of-release"
    return BookStoreRelease.model_validate(manifest)


BALANCED: dict[str, Any] = {
    **MINIMAL,
    "service": {
        "type": "LoadBalancer",
        "annotations": {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"},
        "loadBalancerClass": "service.k8s.aws/nlb",
        "externalTrafficPolicy": "Local",
    },
}
CACHED: dict[str, Any] = {**MINIMAL, "cache": {"embedded": {}}}


def _place() -> database.Place:
    embedded = store(MINIMAL).spec.database.embedded
    assert embedded
    return database.Place(Server("demo"), embedded.storage, embedded.resources, POSTGRES)


def _embedded_cache() -> Any:
    chosen = store(CACHED).spec.cache
    return chosen and chosen.embedded


PLAIN_HOST: dict[str, Any] = {**MINIMAL, "ingress": {"host": "books.example"}}


def _ingress(spec: dict[str, Any]) -> Ingress:
    return Ingress.model_validate(spec["ingress"])


def _settled_status() -> dict[str, Any]:
    status: dict[str, Any] = World().settle().store["status"]
    return status


BACKUP = Backup.model_validate(RICH["backup"])
AUTOSCALING = Autoscaling.model_validate(RICH["autoscaling"])

CASES: dict[str, Callable[[], Manifest]] = {
    "release": lambda: release(store(MINIMAL), 1, 1, Color.BLUE, intent_of(store(MINIMAL).spec)),
    "release-second-attempt": lambda: release(
        store(RICH), 2, 2, Color.GREEN, intent_of(store(RICH).spec)
    ),
    "deployment": lambda: deployment(store(MINIMAL), released(MINIMAL, 1, Color.BLUE)),
    "deployment-rich": lambda: deployment(store(RICH), released(RICH, 2, Color.GREEN)),
    "service": lambda: active_service(store(MINIMAL), released(MINIMAL, 1, Color.BLUE)),
    "service-node-port": lambda: active_service(store(RICH), released(RICH, 2, Color.GREEN)),
    "service-load-balancer": lambda: active_service(
        store(BALANCED), released(BALANCED, 1, Color.BLUE)
    ),
    "ingress": lambda: ingress_manifest(store(PLAIN_HOST), _ingress(PLAIN_HOST)),
    "ingress-rich": lambda: ingress_manifest(store(RICH), _ingress(RICH)),
    "migration-job": lambda: migration_job(store(MINIMAL), released(MINIMAL, 1, Color.BLUE), 1),
    "migration-job-rich": lambda: migration_job(store(RICH), released(RICH, 2, Color.GREEN), 3),
    "database-secret": lambda: database.database_secret(store(MINIMAL), Server("demo")),
    "database-secret-owner": lambda: database.database_secret_owner(store(RICH), Server("demo")),
    "database-service": lambda: database.database_service(store(MINIMAL), Server("demo")),
    "database-stateful-set": lambda: database.database_stateful_set(store(MINIMAL), _place()),
    "deployment-with-cache": lambda: deployment(store(CACHED), released(CACHED, 1, Color.BLUE)),
    "migration-job-with-cache": lambda: migration_job(
        store(CACHED), released(CACHED, 1, Color.BLUE), 1
    ),
    "cache-secret": lambda: cache.cache_secret(store(CACHED)),
    "cache-service": lambda: cache.cache_service(store(CACHED)),
    "cache-deployment": lambda: cache.cache_deployment(store(CACHED), _embedded_cache(), VALKEY),
    "staff-secret": lambda: staff.staff_secret(store(MINIMAL)),
    "autoscaler": lambda: scaling.autoscaler(store(RICH), AUTOSCALING, Color.GREEN),
    "disruption-budget": lambda: scaling.disruption_budget(store(MINIMAL), Color.BLUE),
    "network-policy-api": lambda: network.api_network_policy(store(MINIMAL), "bookstore-system"),
    "network-policy-api-scraped": lambda: network.api_network_policy(
        store(RICH), "bookstore-system"
    ),
    "network-policy-cache": lambda: network.cache_network_policy(store(CACHED)),
    "network-policy-database": lambda: network.database_network_policy(
        store(MINIMAL), Server("demo")
    ),
    "backup-claim": lambda: backup.backup_claim(store(RICH), BACKUP.storage),
    "drill-cron-job": lambda: drill_cron_job(
        *(store(RICH), BACKUP, Drill(schedule="17 5 * * *"), released(RICH, 2, Color.GREEN)),
        tool_image="registry.example/bookstore-backup:18",
        server_image=POSTGRES,
    ),
    "backup-cron-job": lambda: backup.backup_cron_job(store(RICH), BACKUP, POSTGRES),
    "status": _settled_status,
}


class _Dumper(yaml.SafeDumper):
    """YAML for people: no anchors, long texts as blocks."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the interface of PyYAML
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def rendered(name: str) -> str:
    return yaml.dump(CASES[name](), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)


@pytest.mark.parametrize("name", CASES)
def test_an_object_matches_its_golden_file(name: str) -> None:
    golden = (FOLDER / f"{name}.yaml").read_text("utf-8")
    assert rendered(name) == golden, "if intended: python -m tests.operator.test_golden"


def test_every_golden_file_has_an_object() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(CASES)


def pods() -> list[tuple[str, dict[str, Any]]]:
    """Return the Pod specs in all objects, with the names of the objects."""
    specs = []
    for name, make in CASES.items():
        spec = make().get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            specs.append((name, template["spec"]))
    return specs


@pytest.mark.parametrize(("name", "pod"), pods(), ids=[name for name, _ in pods()])
def test_every_pod_is_restricted(name: str, pod: dict[str, Any]) -> None:
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True, name
    assert security["runAsUser"] >= 100
    assert security["fsGroup"] == security["runAsUser"]
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    for container in containers:
        context = dict(container["securityContext"])
        assert context.pop("runAsUser", 999) == context.pop("runAsGroup", 999) >= 100
        assert context == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"]
    mounts = {mount["name"] for container in containers for mount in container["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"]} <= mounts, "all are used"


def main() -> None:
    """Rewrite all golden files."""
    parser = argparse.ArgumentParser(description="Write the golden YAML of all objects.")
    parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.yaml"):
        old.unlink()
    for name in CASES:
        (FOLDER / f"{name}.yaml").write_text(rendered(name), "utf-8")


if __name__ == "__main__":
    main()
