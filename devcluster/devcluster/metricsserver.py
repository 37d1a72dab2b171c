"""The metrics server, on a cluster that is up: `kubectl top` and autoscaling by CPU need it."""

from collections.abc import Sequence

from devcluster import paths, progress, run


def install(image: str, kubectl: Sequence[str], *, wait: bool = True) -> None:
    """Install the metrics server, or bring it up to date; `wait` until it serves metrics.

    Raises CommandFailed.
    """
    with progress.step("Starting the metrics server", expected_seconds=25):
        manifest = (paths.DATA / "metrics-server.yaml").read_text()
        run.output(
            [*kubectl, "apply", "--server-side", "-f", "-"],
            input=manifest.replace("@IMAGE@", image),
        )
        if not wait:
            return
        service = "apiservice/v1beta1.metrics.k8s.io"
        run.output(
            [*kubectl, "wait", "--for=condition=Available", "--timeout=180s", service], timeout=200
        )
