"""The Helm chart: defaults are install.yaml; a value changes what it says and nothing else."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.chart.templates import crd_to_keep, has_namespaces, template_files
from delivery.chart.values import Value, schema, values
from delivery.write_chart import base_manifests
from tests.support.helm import (
    CHART,
    ROOT,
    HelmError,
    Leaves,
    changes,
    helm,
    leaves,
    objects,
    render,
)

pytestmark = pytest.mark.golden

KEEP = "helm.sh/resource-policy"
DIGEST = f"sha256:{'0f' * 32}"
DEPLOYMENT = "Deployment bookstore-system/bookstore-operator spec"
POD = f"{DEPLOYMENT} template spec"
CONTAINER = f"{POD} containers operator"
ENV = f"{CONTAINER} env BOOKSTORE_OPERATOR_"
TOLERATION = {"key": "dedicated", "operator": "Exists"}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}


def setting(name: str, value: str) -> Leaves:
    """Return the leaves of a variable of the operator."""
    return {
        f"{ENV}{name} name": f"BOOKSTORE_OPERATOR_{name}",
        f"{ENV}{name} value": value,
    }


CHANGED: list[tuple[str, dict[str, Any], Leaves]] = [
    (
        "image.repository",
        {"image": {"repository": "registry.example.com/other"}},
        {f"{CONTAINER} image": "registry.example.com/other:dev"},
    ),
    (
        "image.tag",
        {"image": {"tag": "1.2.3"}},
        {f"{CONTAINER} image": "localhost/bookstore-operator:1.2.3"},
    ),
    (
        "image.digest",
        {"image": {"digest": DIGEST, "tag": "ignored"}},
        {f"{CONTAINER} image": f"localhost/bookstore-operator@{DIGEST}"},
    ),
    (
        "image.pullPolicy",
        {"image": {"pullPolicy": "Always"}},
        {f"{CONTAINER} imagePullPolicy": "Always"},
    ),
    (
        "imagePullSecrets",
        {"imagePullSecrets": [{"name": "login"}]},
        {f"{POD} imagePullSecrets login name": "login"},
    ),
    ("replicas", {"replicas": 3}, {f"{DEPLOYMENT} replicas": 3}),
    (
        "settings",
        {"settings": {"LOG_LEVEL": "debug", "WORKERS": 20}},
        setting("LOG_LEVEL", "debug") | setting("WORKERS", "20"),
    ),
    (
        "settings",
        {"settings": {"POSTGRES_IMAGE": "mirror/postgres:18"}},
        {f"{ENV}POSTGRES_IMAGE value": "mirror/postgres:18"},
    ),
    (
        "resources",
        {"resources": {"limits": {"memory": "1Gi"}}},
        {f"{CONTAINER} resources limits memory": "1Gi"},
    ),
    (
        "podAnnotations",
        {"podAnnotations": {"team": "shop"}},
        {f"{DEPLOYMENT} template metadata annotations team": "shop"},
    ),
    (
        "podLabels",
        {"podLabels": {"team": "shop"}},
        {f"{DEPLOYMENT} template metadata labels team": "shop"},
    ),
    ("nodeSelector", {"nodeSelector": {"disk": "ssd"}}, {f"{POD} nodeSelector disk": "ssd"}),
    (
        "affinity",
        {"affinity": {"podAntiAffinity": {"any": "thing"}}},
        {f"{POD} affinity podAntiAffinity any": "thing"},
    ),
    (
        "tolerations",
        {"tolerations": [TOLERATION]},
        {f"{POD} tolerations 0 {key}": value for key, value in TOLERATION.items()},
    ),
    (
        "topologySpreadConstraints",
        {"topologySpreadConstraints": [SPREAD]},
        {f"{POD} topologySpreadConstraints 0 {key}": value for key, value in SPREAD.items()},
    ),
    (
        "priorityClassName",
        {"priorityClassName": "system-cluster-critical"},
        {f"{POD} priorityClassName": "system-cluster-critical"},
    ),
    (
        "serviceAccount.annotations",
        {"serviceAccount": {"annotations": {"cloud.example/role": "x: y"}}},
        {
            "ServiceAccount bookstore-system/bookstore-operator metadata annotations "
            "cloud.example/role": "x: y"
        },
    ),
]
# Whole objects; tested below.
OBJECTS_ONLY = {"watchNamespaces", "crds.install", "rolesForPeople.create"}
REJECTED: list[tuple[str, dict[str, Any]]] = [
    ("unknown", {"replica": 2}),
    ("unknown-part", {"image": {"name": "x"}}),
    ("replicas", {"replicas": "two"}),
    ("digest", {"image": {"digest": "latest"}}),
    ("pull-policy", {"image": {"pullPolicy": "Sometimes"}}),
    ("pull-secret", {"imagePullSecrets": ["login"]}),
    ("namespace", {"watchNamespaces": ["Shop"]}),
    ("namespaces-twice", {"watchNamespaces": ["shop", "shop"]}),
    ("namespaces-as-text", {"watchNamespaces": "shop"}),
    ("own-setting", {"settings": {"NAMESPACE": "shop"}}),
    ("setting-with-prefix", {"settings": {"log-level": "debug"}}),
    ("setting-too-large", {"settings": {"WORKERS": 1_000_000}}),
    ("selector-label", {"podLabels": {"app.kubernetes.io/name": "other"}}),
    ("crds", {"crds": {"install": "no"}}),
]


def names(listed: tuple[Value, ...], prefix: str = "") -> set[str]:
    """Return the names of all values that have no parts."""
    return {
        name
        for value in listed
        for name in (names(value.parts, f"{value.name}.") if value.parts else {prefix + value.name})
    }


def chart_values() -> tuple[Value, ...]:
    """Return the chart's values."""
    return values(next(m for m in base_manifests() if m["kind"] == "Deployment"))


def test_the_defaults_install_what_install_yaml_has(defaults: list[dict[str, Any]]) -> None:
    expected = objects((ROOT / "manifests/install.yaml").read_text())
    rendered = copy.deepcopy(defaults)
    for item in rendered:
        if item["kind"] == "CustomResourceDefinition":
            assert item["metadata"].pop("annotations") == {KEEP: "keep"}
    wanted = leaves(item for item in expected if item["kind"] != "Namespace")
    assert changes(wanted, leaves(rendered)) == {}


def test_every_value_has_a_test() -> None:
    assert {name for name, _, _ in CHANGED} | OBJECTS_ONLY == names(chart_values())


@pytest.mark.parametrize(
    ("given", "expected"),
    [(given, expected) for _, given, expected in CHANGED],
    ids=[name for name, _, _ in CHANGED],
)
def test_a_value_changes_what_it_says_and_nothing_else(
    given: dict[str, Any], expected: Leaves, default_leaves: Leaves, tmp_path: Path
) -> None:
    assert changes(default_leaves, leaves(render(tmp_path, given))) == expected


def test_an_operator_of_namespaces_has_roles_in_these_only(
    defaults: list[dict[str, Any]], tmp_path: Path
) -> None:
    """The rights are those of the cluster's role, in each namespace, and no others."""
    given = {"watchNamespaces": ["shop", "books"], "rolesForPeople": {"create": False}}
    rendered = render(tmp_path, given)
    rights = [m for m in rendered if m["kind"] in {"Role", "RoleBinding"}]
    assert not [m for m in rendered if m["kind"] in {"ClusterRole", "ClusterRoleBinding"}]
    (whole,) = (
        m["rules"]
        for m in defaults
        if (m["kind"], m["metadata"]["name"]) == ("ClusterRole", "bookstore-operator")
    )
    for namespace in ("shop", "books"):
        role, binding = (m for m in rights if m["metadata"]["namespace"] == namespace)
        assert role["rules"] == whole
        assert binding["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": role["metadata"]["name"],
        }
        assert [s["namespace"] for s in binding["subjects"]] == ["bookstore-system"]
    assert leaves(rendered)[f"{ENV}NAMESPACE value"] == "shop,books"
    lease = [m for m in rights if m["metadata"]["name"] == "bookstore-operator-lease"]
    assert lease == [m for m in defaults if m["kind"] in {"Role", "RoleBinding"}]


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"crds": {"install": False}}, "CustomResourceDefinition"),
        ({"rolesForPeople": {"create": False}}, "ClusterRole"),
    ],
    ids=["crds", "roles-for-people"],
)
def test_what_another_release_has_can_be_left_out(
    given: dict[str, Any], missing: str, defaults: list[dict[str, Any]], tmp_path: Path
) -> None:
    rendered = render(tmp_path, given)
    left_out = [item for item in defaults if item not in rendered]
    assert {item["kind"] for item in left_out} == {missing}
    assert [item for item in defaults if item not in left_out] == rendered
    if missing == "ClusterRole":
        assert not [item for item in left_out if "operator" in item["metadata"]["name"]]


def test_helm_has_nothing_to_complain_about(helm_folder: Path) -> None:
    helm("lint", "--strict", "--quiet", CHART, folder=helm_folder)


@pytest.mark.usefixtures("helm_folder")
@pytest.mark.parametrize(
    "given", [given for _, given in REJECTED], ids=[name for name, _ in REJECTED]
)
def test_a_wrong_value_is_rejected(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(HelmError, match=r"(?s)schema|specification"):
        render(tmp_path, given)


def test_the_packaged_chart_has_all_of_it(helm_folder: Path, tmp_path: Path) -> None:
    helm("package", CHART, "--destination", tmp_path, folder=helm_folder)
    (package,) = tmp_path.glob("*.tgz")
    assert helm("show", "crds", package, folder=helm_folder).strip() == "", (
        "Helm never upgrades these"
    )
    rendered = helm("template", "x", package, folder=helm_folder)
    assert rendered.count("kind: CustomResourceDefinition") == len(list((ROOT / "crds").glob("*")))


# What is computed without Helm.


def test_the_schema_lists_the_values_that_there_are() -> None:
    written = json.loads((CHART / "values.schema.json").read_text())
    assert written == schema(chart_values())
    given = yaml.safe_load((CHART / "values.yaml").read_text())
    assert given.keys() == written["properties"].keys() - {"global"}


def test_a_role_is_for_namespaces_or_for_the_cluster() -> None:
    """Otherwise the operator of some namespaces would lose a right without a word."""
    namespaced = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    cluster_wide = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}
    role: dict[str, Any] = {"metadata": {"name": "it"}}
    assert has_namespaces({**role, "rules": [namespaced]})
    assert not has_namespaces({**role, "rules": [cluster_wide]})
    with pytest.raises(ValueError, match="ClusterRole it has rules"):
        has_namespaces({**role, "rules": [namespaced, cluster_wide]})


def test_a_kind_that_the_chart_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="no template for ConfigMap it"):
        template_files([{"kind": "ConfigMap", "metadata": {"name": "it"}}])


def test_a_crd_is_kept_whatever_annotations_it_gets() -> None:
    crd = "kind: CustomResourceDefinition\nmetadata:\n  name: it\nspec: {}\n"
    assert yaml.safe_load(crd_to_keep(crd))["metadata"] == {
        "name": "it",
        "annotations": {KEEP: "keep"},
    }
    with pytest.raises(ValueError, match="annotations of its own"):
        crd_to_keep(crd.replace("  name: it", "  annotations: {a: b}\n  name: it"))
