"""From the checkout to a running operator: build the images, load them, install, apply."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.kubectl import Kubectl
from devcluster import kindcluster, run
from devcluster.kindcluster import KindCluster
from devcluster.progress import step

ROOT = Path(__file__).parents[1]
OPERATOR_NAMESPACE = "bookstore-system"


class DemoError(Exception):
    """A failed step; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Cluster:
    """How to reach a kind cluster of devcluster, or only its container engine (`kind` is None)."""

    name: str
    environment: Mapping[str, str]
    kind: KindCluster | None = None

    @classmethod
    def of(cls, kind: KindCluster) -> Cluster:
        """Return how to reach a kind cluster."""
        return cls(kind.name, kind.environment(), kind)

    @property
    def server_images(self) -> list[str]:
        """The images of PostgreSQL and Valkey."""
        return [self.environment["POSTGRES_IMAGE"], self.environment["VALKEY_IMAGE"]]

    @property
    def url(self) -> str:
        """The URL of node port 30080 on this machine."""
        return self.environment["DEVCLUSTER_URL"]

    def kubectl(self, namespace: str = "default") -> Kubectl:
        """Return a kubectl for one namespace of this cluster."""
        return Kubectl(self.environment, namespace)


def cluster_up(
    name: str,
    *,
    metrics: bool = False,
    network_policies: bool = False,
    more_ports: int = 0,
    workers: int = 0,
) -> Cluster:
    """Return the kind cluster of this name; create or start it if needed."""
    return Cluster.of(
        kindcluster.up(
            name,
            metrics=metrics,
            network_policies=network_policies,
            more_ports=more_ports,
            workers=workers,
        )
    )


@contextmanager
def metrics_added_meanwhile(cluster: Cluster) -> Iterator[None]:
    """Install the metrics server while the block runs: it is not needed before its end.

    Raises DevclusterError at the end of the block if that failed.
    """
    assert cluster.kind is not None  # noqa: S101  # an engine alone has no nodes
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(cluster.kind.add_metrics, wait=False)
        yield
        adding.result()


def build_image(cluster: Cluster, part: str, build: str = "", *, no_cache: bool = False) -> str:
    """Build Dockerfile.`part`; return the image's name, with a tag from its content.

    Unchanged code has the same name, so applying it again starts no release. Another `build` makes
    another image of the same code. With `no_cache` every step runs again.
    """
    environment = {**cluster.environment, "DOCKER_BUILDKIT": "1"}
    repository = f"localhost/bookstore-{part}"
    arguments = [f"--file=Dockerfile.{part}", f"--tag={repository}:latest"]
    arguments += ["--build-arg", f"BASE_IMAGE={cluster.environment['BASE_IMAGE']}"]
    postgres = cluster.environment["POSTGRES_IMAGE"]
    # Else the Dockerfile's own default, which is of the Debian of the official base image.
    if part == "backup" and postgres.startswith("localhost/"):
        arguments += ["--build-arg", f"POSTGRES_IMAGE={postgres}"]
    if no_cache:
        arguments += ["--no-cache"]
    if build:
        arguments += ["--build-arg", f"BUILD={build}"]
    with (
        step(f"Build {repository}", expected_seconds=40) as progress,
        tempfile.TemporaryDirectory(prefix="bookstore-") as temporary,
    ):
        # The build writes the id to a file, because a concurrent build may move the tag.
        id_file = Path(temporary) / "image-id"
        arguments.append(f"--iidfile={id_file}")
        build_command = ["docker", "build", "--network=host", "--progress=plain", *arguments, "."]
        run.run(build_command, cwd=ROOT, env=environment, on_line=progress.update)
        image_id = id_file.read_text().strip()
        image = f"{repository}:{image_id.removeprefix('sha256:')[:12]}"
        run.output(["docker", "tag", image_id, image], env=environment)
    return image


def load_images(cluster: Cluster, images: list[str]) -> None:
    """Load images of the engine onto the cluster's nodes."""
    assert cluster.kind is not None  # noqa: S101  # an engine alone has no nodes
    cluster.kind.load(images)


def install_operator(cluster: Cluster, image: str, backup_image: str) -> None:
    """Apply manifests/install.yaml with these images, and wait until the operator leads."""
    kubectl = cluster.kubectl(OPERATOR_NAMESPACE)
    images = {
        "POSTGRES_IMAGE": cluster.environment["POSTGRES_IMAGE"],
        "VALKEY_IMAGE": cluster.environment["VALKEY_IMAGE"],
        "BACKUP_IMAGE": backup_image,
    }
    settings = {f"BOOKSTORE_OPERATOR_{name}": value for name, value in images.items()}
    manifests = _install_manifests(image, settings)
    with step("Install the CRDs and the operator", expected_seconds=10) as progress:
        first = ("CustomResourceDefinition", "Namespace")
        kubectl.apply(*(manifest for manifest in manifests if manifest["kind"] in first))
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        kubectl.apply(*(manifest for manifest in manifests if manifest["kind"] not in first))
        progress.update("waiting for its Pod")
        kubectl("rollout", "status", "deployment/bookstore-operator", "--timeout=110s")


def _install_manifests(image: str, settings: Mapping[str, str]) -> list[dict[str, Any]]:
    text = (ROOT / "manifests" / "install.yaml").read_text()
    manifests: list[dict[str, Any]] = [m for m in yaml.safe_load_all(text) if m]
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            container = manifest["spec"]["template"]["spec"]["containers"][0]
            container["image"] = image
            others = [e for e in container.get("env", []) if e["name"] not in settings]
            container["env"] = others + [{"name": n, "value": v} for n, v in settings.items()]
    return manifests


def load_manifest(path: Path) -> dict[str, Any]:
    """Read a file with one Kubernetes object."""
    manifest: dict[str, Any] = yaml.safe_load(path.read_text())
    return manifest
