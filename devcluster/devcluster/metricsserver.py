"""The metrics server, on a cluster that is up: `kubectl top` and autoscaling by CPU need it."""

from collections.abc import Sequence

from devcluster import binaries, paths, progress, run, space, versions
from devcluster.locking import locked
from devcluster.offline import baseimages
from devcluster.offline.engine import Engine
from devcluster.offline.imagearchive import Entry, Image, write_layer

PULLED = f"registry.k8s.io/metrics-server/metrics-server:{versions.METRICS_SERVER}"
LOCAL = f"localhost/bookstore-metrics-server:{versions.METRICS_SERVER}"


def ensure_image(docker: Engine) -> str:
    """Make the image of the one static program in the engine, if it is missing; return its name.

    Raises DevclusterError.
    """
    with locked("metrics-server-image"):
        return _ensured(docker)


def _ensured(docker: Engine) -> str:
    if not docker.has_image(LOCAL):
        program = binaries.ensure(["metrics-server"])["metrics-server"]
        with space.scratch() as work:
            layer = write_layer(
                [Entry("/metrics-server", source=program), Entry("/tmp", mode=0o1777)],  # noqa: S108
                work / "layer.tar",
            )
            image = Image(LOCAL, (layer,), entrypoint=("/metrics-server",), user="65534:65534")
            baseimages.load(docker, [image])
    return LOCAL


def install(image: str, kubectl: Sequence[str]) -> None:
    """Install the metrics server, or bring it up to date; return when it serves metrics.

    Raises CommandFailed.
    """
    with progress.step("Starting the metrics server", expected_seconds=25):
        manifest = (paths.DATA / "metrics-server.yaml").read_text()
        run.output(
            [*kubectl, "apply", "--server-side", "-f", "-"],
            input=manifest.replace("@IMAGE@", image),
        )
        service = "apiservice/v1beta1.metrics.k8s.io"
        run.output(
            [*kubectl, "wait", "--for=condition=Available", "--timeout=180s", service], timeout=200
        )
