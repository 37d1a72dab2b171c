"""The objects of prometheus-operator: which Pods are scraped, and the rules."""

from typing import Any

from bookstore_operator.core.labels import (
    COMPONENT_LABEL,
    NAME_LABEL,
    STORE_LABEL,
    Component,
    operator_selector,
)
from delivery.monitoring import objectives
from delivery.monitoring.alerts import of_data, of_operator, of_stores
from delivery.monitoring.rules import Alert, Recording

API_VERSION = "monitoring.coreos.com/v1"
NAMESPACE = "bookstore-system"
OBJECTIVES = "bookstore-objectives"
"""The group of rules that need no more than the API's own metrics."""
LABELS = {NAME_LABEL: "bookstore-operator"}
_INTERVAL, _TIMEOUT = "15s", "5s"


def groups() -> list[dict[str, Any]]:
    """Return the groups of rules, as in a file for a Prometheus without prometheus-operator."""
    return [
        _group(OBJECTIVES, [*objectives.recordings(), *objectives.alerts()]),
        _group("bookstore-releases", [*of_stores()]),
        _group("bookstore-data", [*of_data()]),
        _group("bookstore-operator", [*of_operator()]),
    ]


def _group(name: str, rules: list[Recording | Alert]) -> dict[str, Any]:
    return {"name": name, "interval": "1m", "rules": [rule.rule() for rule in rules]}


def prometheus_rule() -> dict[str, Any]:
    """Return the PrometheusRule."""
    return {
        "apiVersion": API_VERSION,
        "kind": "PrometheusRule",
        "metadata": {"name": "bookstore", "namespace": NAMESPACE, "labels": LABELS},
        "spec": {"groups": groups()},
    }


def pod_monitors() -> list[dict[str, Any]]:
    """Return the PodMonitors of the operator and of the API's Pods in all namespaces."""
    store = "__meta_kubernetes_pod_label_" + STORE_LABEL.replace(".", "_").replace("/", "_")
    api = {NAME_LABEL: "bookstore", COMPONENT_LABEL: Component.API.value}
    relabeling = {"action": "replace", "sourceLabels": [store], "targetLabel": "bookstore"}
    return [
        # The metrics of BookStores have their namespace: it must not become the operator's.
        _monitor("bookstore-operator", operator_selector(), "health", honorLabels=True),
        _monitor("bookstore-api", api, "internal", everywhere=True, relabelings=[relabeling]),
    ]


def _monitor(
    name: str, labels: dict[str, str], port: str, *, everywhere: bool = False, **more: Any
) -> dict[str, Any]:
    everything = {"namespaceSelector": {"any": True}} if everywhere else {}
    endpoint = {"port": port, "interval": _INTERVAL, "scrapeTimeout": _TIMEOUT, **more}
    return {
        "apiVersion": API_VERSION,
        "kind": "PodMonitor",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {
            "selector": {"matchLabels": labels},
            **everything,
            "podMetricsEndpoints": [endpoint],
        },
    }
