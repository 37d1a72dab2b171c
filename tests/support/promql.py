"""What a query asks for, and whether it exists: metrics, labels, and values of enumerations."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import promql_parser as promql

from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd.release import Result
from bookstore_operator.crd.stages import STAGES
from bookstore_operator.crd.status import CONDITION_TYPES, ConditionStatus
from bookstore_operator.telemetry.catalog import METRICS

API_PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"
TARGET_LABELS = frozenset(
    {"namespace", "bookstore", "pod", "container", "instance", "job", "color"}
)
"""What a scrape adds: by Prometheus itself, or by the PodMonitors."""
OF_OTHERS: Mapping[str, frozenset[str]] = {
    "up": frozenset(),
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
    **dict.fromkeys(
        ("kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"),
        frozenset({"persistentvolumeclaim"}),
    ),
}
"""The metrics of Prometheus and of the kubelet that queries may ask for, with their own labels."""
VALUES: Mapping[str, frozenset[str]] = {
    "bookstore_condition.type": frozenset(CONDITION_TYPES),
    "bookstore_condition.status": frozenset(ConditionStatus),
    "bookstore_condition.reason": frozenset(Reason),
    "bookstore_releases_total.result": frozenset(Result),
    "bookstore_release_stage_timestamp_seconds.stage": frozenset(stage.name for stage in STAGES),
    "bookstore_volume_info.volume": frozenset({"database", "backup"}),
}
"""The values that a label of a metric can have, where they are an enumeration."""


@cache
def api_metrics() -> Mapping[str, tuple[str, frozenset[str]]]:
    """Return the kind and the labels of the API's metrics, by its page, which a test holds."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", API_PAGE.read_text(), re.MULTILINE)
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


@cache
def known(recorded: frozenset[str] = frozenset()) -> Mapping[str, frozenset[str]]:
    """Return the labels of every series that exists, with what rules record."""
    kinds = {**api_metrics()}
    for metric in METRICS.values():
        kinds[metric.name] = (metric.kind.value, frozenset(metric.labels))
    series = {**OF_OTHERS, **dict.fromkeys(recorded, frozenset[str]())}
    for name, (kind, labels) in kinds.items():
        if kind == "histogram":
            series |= {f"{name}_sum": labels, f"{name}_count": labels}
            series[f"{name}_bucket"] = labels | {"le"}
        else:
            series[name] = labels
    return series


def unknown_names(query: str, recorded: frozenset[str] = frozenset()) -> set[str]:
    """Return what a query asks for and does not exist. Raises ValueError if it can't be parsed."""
    series = known(recorded)
    wrong: set[str] = set()
    for name, matchers in selectors(query):
        if name not in series:
            wrong.add(name)
            continue
        for label, value in matchers:
            if label not in series[name] | TARGET_LABELS:
                wrong.add(f"{name}{{{label}}}")
            elif (values := VALUES.get(f"{name}.{label}")) is not None:
                wrong |= {f'{name}{{{label}="{v}"}}' for v in value.split("|") if v not in values}
    labels = {label for known_labels in series.values() for label in known_labels} | TARGET_LABELS
    return wrong | {f"by ({label})" for label in grouped_by(query) if label not in labels}


def selectors(query: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each selector of a query: the name of its metric, its labels with their values."""
    found = []
    for node in _nodes(query):
        if isinstance(node, promql.VectorSelector):
            matchers = [(m.name, m.value) for m in node.matchers.matchers]
            found.append((str(node.name), matchers))
    return found


def grouped_by(query: str) -> set[str]:
    """Return the labels of `by`, `on` and `group_left` in a query."""
    clauses = re.findall(r"\b(?:by|on|group_left|group_right)\s*\(([^)]*)\)", query)
    return {label for clause in clauses for label in re.findall(r"\w+", clause)}


def _nodes(query: str) -> Iterator[promql.Expr]:
    nodes: list[promql.Expr] = []
    promql.walk(promql.parse(query), nodes.append)
    return iter(nodes)
