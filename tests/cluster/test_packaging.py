"""What installs the operator, on a real API server: chart, overlays, and one namespace only."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.chart.templates import has_namespaces
from delivery.deploy import RELEASE, DeployError, Target, upgrade_operator
from delivery.images import DOCKERFILES
from demo.kubectl import Kubectl
from devcluster import binaries, controlplane
from devcluster.errors import DevclusterError
from tests.cluster.conftest import ACCOUNT, SYSTEM, Cluster, Shop, bookstore, own_control_plane
from tests.support.helm import CHART, ROOT, helm, objects
from tests.support.kube import namespace, wait_for

pytestmark = pytest.mark.cluster

CRD = "customresourcedefinitions.apiextensions.k8s.io"
STORES_CRD = "bookstores.bookstore.dev"
KUSTOMIZATIONS = ("overlays/dev", "overlays/staging", "overlays/production", "namespaced")
NO_PODS = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "0"}}}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"}


@dataclass(frozen=True)
class Releases:
    """Helm's releases on a control plane of this test's own: CRDs are for all of its namespaces."""

    plane: controlplane.ControlPlane
    kubectl: Kubectl
    folder: Path

    def helm(self, *arguments: str | Path, namespace: str = SYSTEM) -> str:
        """Run Helm as an administrator."""
        there = ("--namespace", namespace)
        return helm(*arguments, *there, folder=self.folder, kubeconfig=self.plane.kubeconfig)

    def fields(self) -> set[str]:
        """Return the names of the fields of a BookStore's spec that the API server knows."""
        (version,) = self.crd()["spec"]["versions"]
        schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        return set(schema["properties"])

    def crd(self) -> dict[str, Any]:
        """Return the BookStores' CRD."""
        found = self.kubectl.find(CRD, STORES_CRD)
        assert found is not None
        return found


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[Releases]:
    """Yield a control plane with nothing of ours."""
    try:
        binaries.ensure(["helm"])
    except DevclusterError as error:
        pytest.skip(f"no Helm: {error}")
    with own_control_plane("chart") as plane:
        yield Releases(plane, Cluster(plane, tmp_path / "none").kubectl("shop"), tmp_path)


def older_chart(folder: Path) -> Path:
    """Return a chart of an earlier version, whose BookStores have no field `paused`."""
    chart = folder / "older"
    shutil.copytree(CHART, chart)
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": "0.0.1"}))
    file = chart / "files/crds" / f"{STORES_CRD}.yaml"
    crd = yaml.load(file.read_text(), yaml.CSafeLoader)
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["paused"]
    file.write_text(yaml.dump(crd, Dumper=yaml.CSafeDumper))
    return chart


def test_the_chart_is_installed_upgraded_and_uninstalled(releases: Releases) -> None:
    """CRDs follow the chart, and they and BookStores outlive it; installing again adopts them."""
    releases.helm("install", "first", older_chart(releases.folder), "--create-namespace")
    assert "paused" not in releases.fields()
    releases.kubectl.apply(namespace("shop"))
    releases.kubectl("wait", f"{CRD}/{STORES_CRD}", "--for=condition=Established")
    releases.kubectl.apply(bookstore())
    created = releases.kubectl.find("bookstore", "demo")

    releases.helm("upgrade", "first", CHART, "--set", "replicas=2")
    assert "paused" in releases.fields(), "a chart's crds/ folder would not be upgraded"
    deployment = Cluster(releases.plane, Path()).kubectl(SYSTEM).find("deployment", ACCOUNT)
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 2

    releases.helm("upgrade", "first", CHART, "--set", "crds.install=false")
    assert "paused" in releases.fields(), "a chart without its CRDs must not delete them"
    releases.helm("uninstall", "first", "--wait")
    left = releases.kubectl.find("bookstore", "demo")
    assert left is not None
    assert created is not None
    assert left["metadata"]["uid"] == created["metadata"]["uid"]
    rights = "clusterrole,clusterrolebinding,role,rolebinding,deployment,serviceaccount"
    ours = ("--all-namespaces", "-l", "app.kubernetes.io/name=bookstore-operator", "-o", "name")
    assert releases.kubectl("get", rights, *ours) == ""
    assert releases.kubectl("get", CRD, "-o", "name").count("bookstore.dev") == 4

    releases.helm("install", "first", CHART)
    assert left == releases.kubectl.find("bookstore", "demo")


def test_two_releases_share_a_cluster(releases: Releases) -> None:
    """Staging and production side by side: each has rights in its own namespace only."""
    for name in ("staging", "production"):
        releases.kubectl.apply(namespace(name), namespace(f"{name}-system"))
        alone = () if name == "staging" else ("crds.install=false", "rolesForPeople.create=false")
        releases.helm(
            *("install", name, CHART, "--set", f"watchNamespaces={{{name}}}"),
            *(word for value in alone for word in ("--set", value)),
            namespace=f"{name}-system",
        )
    account = "system:serviceaccount:production-system:bookstore-operator"
    assert may(releases.kubectl, account, "production")
    assert not may(releases.kubectl, account, "staging")
    releases.helm("uninstall", "staging", "--wait", namespace="staging-system")
    assert may(releases.kubectl, account, "production")


def test_a_deployment_upgrades_the_operator(releases: Releases) -> None:
    """By digest, with what was set by hand; an operator that does not start is taken back."""
    kubectl = Cluster(releases.plane, Path()).kubectl(SYSTEM)
    target = Target("demo", "shop", "", environment=dict(kubectl.environment))
    first, second = (dict.fromkeys(DOCKERFILES, f"sha256:{digit * 64}") for digit in "ab")
    upgrade_operator(target, "registry.example.com/It", first, SYSTEM)
    by_hand = ("--reset-then-reuse-values", "--set", "podLabels.team=shop")
    releases.helm("upgrade", RELEASE, CHART, *by_hand)
    upgrade_operator(target, "registry.example.com/It", second, SYSTEM)
    named = f"registry.example.com/it/bookstore-operator@{second['operator']}"

    def template() -> dict[str, Any]:
        deployment = kubectl.find("deployment", ACCOUNT)
        assert deployment is not None
        found: dict[str, Any] = deployment["spec"]["template"]
        assert found["metadata"]["labels"]["team"] == "shop"
        return found

    assert template()["spec"]["containers"][0]["image"] == named
    assert "localhost" not in json.dumps(template())
    kubectl.apply({**NO_PODS, "metadata": {"name": "none"}})
    with pytest.raises(DeployError, match="could not be upgraded"):
        upgrade_operator(target, "registry.example.com/It", first, SYSTEM, seconds=5)
    assert template()["spec"]["containers"][0]["image"] == named


def may(kubectl: Kubectl, account: str, there: str) -> bool:
    """Whether an operator may create Deployments in a namespace."""
    answers = kubectl("auth", "can-i", "--list", f"--as={account}", f"--namespace={there}")
    return any(line.startswith("deployments.apps ") for line in answers.splitlines())


def kustomized(folder: Path, kubectl: Kubectl) -> str:
    """Return what kustomize makes of a folder."""
    return kubectl("kustomize", str(folder))


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_the_api_server_accepts_a_kustomization(name: str, cluster: Cluster) -> None:
    kubectl = cluster.kubectl(SYSTEM)
    text = kustomized(ROOT / "manifests" / name, kubectl)
    dry = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    applied = kubectl(*dry, stdin=text)
    assert len(applied.splitlines()) == len(objects(text))
    assert ("ClusterRole" in {item["kind"] for item in objects(text)}) == (name != "namespaced")
    if name in {"overlays/staging", "overlays/production"}:
        assert "localhost/" not in text, "an image that only a developer's machine has"


@pytest.mark.parametrize("name", ["staging", "production"])
def test_an_overlay_takes_an_image_as_its_comment_says(
    name: str, cluster: Cluster, tmp_path: Path
) -> None:
    """`kustomize edit set image` writes an entry, which must fit the name of the image there."""
    copy = tmp_path / "manifests"
    shutil.copytree(ROOT / "manifests", copy)
    file = copy / "overlays" / name / "kustomization.yaml"
    match = re.search(r"^# +(\S+)=(\S+)@sha256:DIGEST$", file.read_text(), re.MULTILINE)
    assert match
    digest = f"sha256:{'0f' * 32}"
    entry = {"name": match[1], "newName": match[2], "digest": digest}
    content = {**yaml.safe_load(file.read_text()), "images": [entry]}
    file.write_text(yaml.safe_dump(content))
    made = kustomized(file.parent, cluster.kubectl(SYSTEM))
    assert f"image: {match[2]}@{digest}\n" in made


@contextmanager
def one_namespace(shop: Shop, folder: Path) -> Iterator[Path]:
    """Install the namespaced variant in a shop's namespace; yield its operator's kubeconfig."""
    # Kustomize reads no absolute path.
    copy = folder / "manifests"
    shutil.copytree(ROOT / "manifests", copy)
    wanted = {"namespace": shop.namespace, "resources": ["namespaced"]}
    (copy / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    manifests = objects(kustomized(copy, shop.kubectl))
    assert CLUSTER_WIDE.isdisjoint(item["kind"] for item in manifests)
    assert {item["metadata"]["namespace"] for item in manifests} == {shop.namespace}
    rights = [item for item in manifests if item["kind"] != "Deployment"]
    shop.kubectl.apply(*rights)
    token = shop.kubectl("create", "token", ACCOUNT, "--duration=1h").strip()
    plane, kubeconfig = shop.cluster.plane, folder / "operator.kubeconfig"
    certificate = plane.folder / "pki" / "apiserver.crt"
    controlplane.write_kubeconfig(kubeconfig, plane.name, plane.server, certificate, token)
    yield kubeconfig


def test_an_operator_of_one_namespace_needs_no_right_elsewhere(shop: Shop, tmp_path: Path) -> None:
    """The namespaced variant runs a BookStore, by the rights that it installs and no others."""
    with one_namespace(shop, tmp_path) as kubeconfig:
        shop.start(f"--lease-namespace={shop.namespace}", kubeconfig=kubeconfig)
        shop.apply(replicas=1)
        shop.ready()
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{shop.namespace}/leases/{ACCOUNT}"
        assert wait_for(lambda: shop.cluster.plane.client().find(lease), 10, "the Lease")
        account = f"system:serviceaccount:{shop.namespace}:{ACCOUNT}"
        assert may(shop.kubectl, account, shop.namespace)
        assert not may(shop.kubectl, account, SYSTEM)


def test_kinds_without_namespace_are_known_as_such(cluster: Cluster) -> None:
    """The chart gives an operator of some namespaces Roles, which can't grant these kinds."""
    listed = cluster.kubectl(SYSTEM)("api-resources", "--namespaced=true", "-o", "name")
    namespaced = set(listed.split())
    for role in yaml.safe_load_all((ROOT / "manifests/base/rbac.yaml").read_text()):
        if role["kind"] == "ClusterRole":
            for name in kinds_of(role):
                assert (name in namespaced) == has_namespaces(role), name


def kinds_of(role: dict[str, Any]) -> set[str]:
    """Return the kinds that a role names, as `kubectl api-resources` does."""
    return {
        ".".join(filter(None, (plural.partition("/")[0], group)))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }
