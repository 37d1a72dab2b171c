"""Collect what a support bundle has in it, as far as the user may read it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bookstore_operator.core.kinds import CORE_EVENTS, SECRETS, key_of, store_name_of
from bookstore_operator.core.labels import COMPONENT_LABEL, NAME_LABEL, Component
from bookstore_operator.core.plan import Manifest
from kubectl_bookstore.cluster.kubectl import Kubectl, KubectlError
from kubectl_bookstore.cluster.observe import OPERATOR_NAME, find_operators, list_owned
from kubectl_bookstore.views.bundle import Bundle, own_lines, own_metrics, secret_names

_MOST_PODS = 30
_MOST_BYTES = 2_000_000
"""Of one container's log."""
_API_PORT, _OPERATOR_PORT = 8001, 8080


def collect(kubectl: Kubectl, store: Manifest, lines: int) -> Bundle:
    """Return what can be read about a BookStore; what can't be read is named.

    Args:
        kubectl: reaches the cluster.
        store: the BookStore.
        lines: the most lines of each log.

    """
    bundle = Bundle(store)
    _, name = bundle.key
    with _attempt(bundle, "objects"):
        listed, unread = list_owned(kubectl, name)
        bundle.objects = [item for item in listed if store_name_of(item) == name]
        bundle.missing += [f"{plural}: you may not list them" for plural in unread]
    with _attempt(bundle, "Secrets, whose values are masked by their form only"):
        bundle.secrets += kubectl.get_named(SECRETS, secret_names([store, *bundle.objects]))
    with _attempt(bundle, "events"):
        mine = {(item["kind"], item["metadata"]["name"]) for item in (store, *bundle.objects)}
        bundle.events = [
            event
            for event in kubectl.list_all([CORE_EVENTS])
            if _is_about(event["involvedObject"], mine)
        ]
    pods = [item for item in bundle.objects if key_of(item).kind == "Pod"]
    for pod in _newest(pods):
        _read_logs(kubectl, bundle, pod, lines)
    for pod in _newest([pod for pod in pods if _component(pod) == Component.API]):
        _read_metrics(kubectl, bundle, pod, _API_PORT, lambda page: page)
    _read_operator(kubectl, bundle, lines)
    return bundle


def _read_operator(kubectl: Kubectl, bundle: Bundle, lines: int) -> None:
    namespace, name = bundle.key
    operators = find_operators(kubectl)
    if operators is None:
        bundle.missing.append("the operator: you may not list Deployments in its namespace")
    bundle.operators += operators or []
    for space in sorted({item["metadata"]["namespace"] for item in bundle.operators}):
        pods: list[Manifest] = []
        with _attempt(bundle, f"the operator's Pods in {space}"):
            selector = f"--selector={NAME_LABEL}={OPERATOR_NAME}"
            pods += kubectl.items("get", "pods", selector, f"--namespace={space}")
        for pod in _newest(pods):
            log = _log(kubectl, bundle, pod, "operator", lines)
            bundle.texts[f"operator/{pod['metadata']['name']}.log"] = own_lines(
                log, namespace, name
            )
            _read_metrics(
                *(kubectl, bundle, pod, _OPERATOR_PORT),
                lambda page: own_metrics(page, namespace, name),
            )


def _read_logs(kubectl: Kubectl, bundle: Bundle, pod: Manifest, lines: int) -> None:
    """Read the log of each container that has begun, and of its run before."""
    status = pod.get("status") or {}
    for state in (
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ):
        if "waiting" not in (state.get("state") or {}) or state.get("restartCount"):
            path = f"logs/{pod['metadata']['name']}/{state['name']}"
            bundle.texts[f"{path}.log"] = _log(kubectl, bundle, pod, state["name"], lines)
            if state.get("restartCount"):
                before = _log(kubectl, bundle, pod, state["name"], lines, "--previous")
                bundle.texts[f"{path}.previous.log"] = before


def _log(
    kubectl: Kubectl, bundle: Bundle, pod: Manifest, container: str, lines: int, *more: str
) -> str:
    metadata = pod["metadata"]
    bounds = (f"--tail={lines}", f"--limit-bytes={_MOST_BYTES}", *more)
    where = (f"--namespace={metadata['namespace']}", f"--container={container}")
    texts: list[str] = []
    with _attempt(bundle, f"the log of {metadata['name']}/{container}"):
        texts.append(kubectl.run("logs", metadata["name"], *where, *bounds))
    return "".join(texts)


def _read_metrics(
    kubectl: Kubectl, bundle: Bundle, pod: Manifest, port: int, shorten: Callable[[str], str]
) -> None:
    """Read a Pod's metrics through the API server's proxy."""
    metadata = pod["metadata"]
    address = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}:{port}/proxy"
    with _attempt(bundle, f"the metrics of {metadata['name']}"):
        page = kubectl.run("get", "--raw", f"{address}/metrics")
        bundle.texts[f"metrics/{metadata['name']}.txt"] = shorten(page)


@contextmanager
def _attempt(bundle: Bundle, what: str) -> Iterator[None]:
    """Note what could not be read, and go on: the rest may help."""
    try:
        yield
    except KubectlError as error:
        first_line = str(error).partition("\n")[0]
        bundle.missing.append(f"{what}: {first_line}")


def _newest(pods: list[Manifest]) -> list[Manifest]:
    by_age = sorted(
        pods, key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True
    )
    return by_age[:_MOST_PODS]


def _component(pod: Manifest) -> str:
    return str((pod["metadata"].get("labels") or {}).get(COMPONENT_LABEL))


def _is_about(involved: Manifest, mine: set[tuple[str, str]]) -> bool:
    return (involved.get("kind"), involved.get("name")) in mine
