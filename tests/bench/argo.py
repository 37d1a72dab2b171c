"""Argo Rollouts as a peer for the benchmark: built from its Go module, run beside nothing else."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from demo.kubectl import Kubectl, KubectlError
from devcluster import paths
from devcluster.progress import step
from tests.support.kube import wait_for
from tests.support.operators import Operator

MODULE, VERSION = "github.com/argoproj/argo-rollouts", "v1.9.0"
BUILD_SECONDS = 300
LABEL = "app"


def build() -> Path:
    """Return its controller, built once into the cache."""
    program = paths.binaries() / f"argo-rollouts-{VERSION}" / "rollouts-controller"
    if not program.exists():
        source = _source()
        program.parent.mkdir(parents=True, exist_ok=True)
        with (
            step(f"Building Argo Rollouts {VERSION} from its Go module", BUILD_SECONDS),
            tempfile.TemporaryDirectory() as folder,
        ):
            copy = Path(folder) / "source"
            shutil.copytree(source, copy, copy_function=shutil.copyfile)
            command = ("nice", "-n", "5", "go", "build", "-o", program, "./cmd/rollouts-controller")
            subprocess.run(command, cwd=copy, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    return program


def _source() -> Path:
    """Return the folder of the module's source, downloaded and checked by Go."""
    command = ("go", "mod", "download", "-json", f"{MODULE}@{VERSION}")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return Path(json.loads(done.stdout)["Dir"])


def install(kubectl: Kubectl) -> None:
    """Install its CRDs."""
    files = sorted((_source() / "manifests" / "crds").glob("*-crd.yaml"))
    for file in files:
        kubectl("apply", "--server-side", "-f", str(file))
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    wait_for(lambda: _is_served(kubectl), 30, "the API server to serve Rollouts")


def _is_served(kubectl: Kubectl) -> bool:
    try:
        kubectl("get", "rollouts", "-A", "-o", "name")
    except KubectlError:
        return False
    return True


def start(kubeconfig: Path, log: Path, namespace: str) -> Operator:
    """Start its controller for one namespace; it waits for no election."""
    others = ("--leader-elect=false", "--metricsPort=0", "--healthzPort=0")
    scope = (f"--kubeconfig={kubeconfig}", f"--namespace={namespace}", "--namespaced")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [build(), *scope, *others], stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    return Operator(process, log)


def rollout(name: str, image: str, replicas: int) -> dict[str, Any]:
    """Return a blue/green Rollout that promotes by itself."""
    labels = {LABEL: name}
    container = {
        "name": "api",
        "image": image,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"blueGreen": {"activeService": name, "scaleDownDelaySeconds": 0}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(name: str) -> dict[str, Any]:
    """Return the Service that a Rollout switches."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {LABEL: name}, "ports": [{"port": 80, "targetPort": 8000}]},
    }


def release(image: str) -> dict[str, Any]:
    """Return a merge patch to another image: a merge replaces the list of containers."""
    containers = rollout("any", image, 1)["spec"]["template"]["spec"]["containers"]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def is_healthy(manifest: dict[str, Any], image: str) -> bool:
    """Whether a Rollout runs this image as its stable one, and has observed its spec."""
    status = manifest.get("status") or {}
    containers = manifest["spec"]["template"]["spec"]["containers"]
    return (
        containers[0]["image"] == image
        and status.get("phase") == "Healthy"
        and status.get("observedGeneration") == str(manifest["metadata"]["generation"])
        and status.get("stableRS") == status.get("currentPodHash")
    )
