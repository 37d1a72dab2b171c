"""Who manages a field, by an object's managed fields."""

from typing import Any

import pytest

from bookstore_operator.core.managers import added_to_pods, managers_of

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
            {"operation": "Update", "fieldsV1": {"f:spec": {"f:nameless": {}}}},
        ]
    }
}
TO_IMAGE = ("spec", "template", "spec", "containers", "postgres", "image")


@pytest.mark.parametrize(
    ("path", "managers"),
    [
        (TO_IMAGE, ["bookstore-operator", "argocd"]),
        (("spec", "replicas"), ["hpa/scale"]),
        (("spec", "nameless"), ["without a name"]),
        (("spec", "ports", "0", "nodePort"), ["kubectl-edit"]),
        (("metadata", "annotations", "a.b/c"), ["helm"]),
        (("spec", "paused"), []),
    ],
)
def test_the_managers_of_a_field(path: tuple[str, ...], managers: list[str]) -> None:
    assert managers_of(DEPLOYMENT, path) == managers


def test_an_object_without_managed_fields_has_none() -> None:
    assert managers_of({"metadata": {}}, ("spec",)) == []


def in_pods(**fields: Any) -> dict[str, Any]:
    return {"f:spec": {"f:template": {"f:spec": fields}}}


def test_what_others_have_added_to_pods_is_named_with_its_manager() -> None:
    ours = in_pods(**{"f:nodeSelector": {"f:disk": {}}, "f:containers": {'k:{"name":"api"}': {}}})
    by_hand = in_pods(**{"f:nodeSelector": {"f:disk": {}, "f:zone": {}}, "f:tolerations": {}})
    sidecar: dict[str, Any] = {
        'k:{"name":"proxy"}': {".": {}, "f:image": {}},
        'k:{"name":"api"}': {"f:env": {}},
    }
    status: dict[str, Any] = {"f:status": {"f:replicas": {}}}
    entries = [
        {"manager": "bookstore-operator", "operation": "Apply", "fieldsV1": ours},
        {
            "manager": "bookstore-operator",
            "operation": "Update",
            "fieldsV1": in_pods(**{"f:containers": sidecar}),
        },
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": by_hand},
        {
            "manager": "kubectl-rollout",
            "operation": "Update",
            "fieldsV1": {
                "f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:restartedAt": {}}}}}
            },
        },
        {"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": status},
        {"manager": "hpa", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]
    assert added_to_pods({"kind": "Deployment", "metadata": {"managedFields": entries}}) == {
        "spec.template.spec.nodeSelector.zone": "kubectl-edit",
        "spec.template.spec.tolerations": "kubectl-edit",
        "spec.template.spec.containers.proxy": "a webhook or policy",
        "spec.template.spec.containers.api.env": "a webhook or policy",
    }


def test_an_object_that_only_the_operator_has_written_has_no_additions() -> None:
    entry = {"manager": "bookstore-operator", "operation": "Apply", "fieldsV1": IMAGE}
    deployment = {"kind": "Deployment", "metadata": {"managedFields": [entry]}}
    assert added_to_pods(deployment) == {}


def test_what_the_operator_creates_is_no_addition_to_it() -> None:
    """A create is an Update, too, in the words of managed fields."""
    entry = {"manager": "bookstore-operator", "operation": "Update", "fieldsV1": IMAGE}
    assert added_to_pods({"kind": "Job", "metadata": {"managedFields": [entry]}}) == {}
