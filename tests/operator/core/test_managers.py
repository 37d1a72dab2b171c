"""Who manages a field, by an object's managed fields."""

from typing import Any

import pytest

from bookstore_operator.core.managers import managers_of

pytestmark = pytest.mark.scenario

IMAGE: dict[str, Any] = {
    "f:spec": {
        "f:template": {
            "f:spec": {"f:containers": {'k:{"name":"postgres"}': {".": {}, "f:image": {}}}}
        }
    }
}
DEPLOYMENT = {
    "metadata": {
        "managedFields": [
            {"manager": "kubelet", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:status": {}}},
            {"manager": "argocd", "time": "2026-01-01T00:00:01Z", "fieldsV1": IMAGE},
            {"manager": "bookstore-operator", "time": "2026-01-01T00:00:02Z", "fieldsV1": IMAGE},
            {
                "manager": "hpa",
                "subresource": "scale",
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            },
            {
                "manager": "kubectl-edit",
                "fieldsV1": {"f:spec": {"f:ports": {'k:{"port":80}': {"f:nodePort": {}}}}},
            },
            {"manager": "helm", "fieldsV1": {"f:metadata": {"f:annotations": {"f:a.b/c": {}}}}},
            {"manager": "broken"},
        ]
    }
}
TO_IMAGE = ("spec", "template", "spec", "containers", "postgres", "image")


@pytest.mark.parametrize(
    ("path", "managers"),
    [
        (TO_IMAGE, ["bookstore-operator", "argocd"]),
        (("spec", "replicas"), ["hpa/scale"]),
        (("spec", "ports", "0", "nodePort"), ["kubectl-edit"]),
        (("metadata", "annotations", "a.b/c"), ["helm"]),
        (("spec", "paused"), []),
    ],
)
def test_the_managers_of_a_field(path: tuple[str, ...], managers: list[str]) -> None:
    assert managers_of(DEPLOYMENT, path) == managers


def test_an_object_without_managed_fields_has_none() -> None:
    assert managers_of({"metadata": {}}, ("spec",)) == []
