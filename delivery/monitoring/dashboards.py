"""Grafana's dashboards: one BookStore, all of them, the operator."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from delivery.monitoring.objectives import ERRORS, SLOW_READS, SLOW_WRITES
from delivery.monitoring.rules import BY_STORE

_WIDTH, _HEIGHT = 8, 7
_COLUMNS = 24
ONE = 'namespace="$namespace",bookstore="$bookstore"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


class Unit(StrEnum):
    """Grafana's names of units."""

    COUNT = "short"
    PER_SECOND = "reqps"
    SECONDS = "s"
    SHARE = "percentunit"
    BYTES = "bytes"


class Style(StrEnum):
    """How a panel shows its data."""

    LINES = "timeseries"
    NUMBER = "stat"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Panel:
    """One question, and the queries that answer it."""

    title: str
    unit: Unit
    queries: tuple[tuple[str, str], ...]
    """Each query with the legend of its series."""
    style: Style = Style.LINES
    about: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels, by rows with a title."""

    uid: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    variables: dict[str, str] = field(default_factory=dict)
    """The queries of the variables by name."""

    @property
    def panels(self) -> Iterator[Panel]:
        """All panels."""
        return (panel for _, panels in self.rows for panel in panels)


def _rate(metric: str, by: str, labels: str = ONE) -> str:
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def _quantile(share: float, metric: str, labels: str, by: str = "") -> str:
    groups = f"{by}, le" if by else "le"
    return (
        f"histogram_quantile({share}, sum by ({groups}) "
        f"(rate({metric}_bucket{{{labels}}}[$__rate_interval])))"
    )


_REQUESTS = "bookstore_http_requests_total"
_SECONDS = "bookstore_http_request_duration_seconds"

USERS = (
    Panel("Requests", Unit.PER_SECOND, ((_rate(_REQUESTS, "status"), "{{status}}"),)),
    Panel(
        "Share of requests beyond the objectives",
        Unit.SHARE,
        tuple(
            (f"{objective.ratio('5m')}{{{ONE}}}", objective.sentence)
            for objective in (ERRORS, SLOW_READS, SLOW_WRITES)
        ),
        about="Recorded by the rules of manifests/monitoring. Objectives: 0.1 %, 1 %, 1 %.",
    ),
    Panel(
        "Duration",
        Unit.SECONDS,
        tuple((_quantile(q, _SECONDS, ONE), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
    ),
    Panel(
        "Slowest routes, p99",
        Unit.SECONDS,
        ((f"topk(5, {_quantile(0.99, _SECONDS, ONE, 'route')})", "{{route}}"),),
    ),
    Panel("Errors", Unit.PER_SECOND, ((_rate("bookstore_errors_total", "type"), "{{type}}"),)),
    Panel(
        "Requests by color",
        Unit.PER_SECOND,
        (
            (
                f"sum by (color) (rate({_REQUESTS}{{{ONE}}}[$__rate_interval]) * on (pod) "
                f"group_left (color) max by (pod, color) (bookstore_build_info{{{ONE}}}))",
                "{{color}}",
            ),
        ),
        about="A release is visible as one color taking over from the other.",
    ),
)
STATE = (
    Panel(
        "Conditions",
        Unit.COUNT,
        ((f"max by (type, status, reason) (bookstore_condition{{{ONE}}})", ""),),
        Style.TABLE,
    ),
    Panel(
        "Revision that serves",
        Unit.COUNT,
        ((f"max(bookstore_active_revision{{{ONE}}})", ""),),
        Style.NUMBER,
    ),
    Panel(
        "Time in the stage of the release",
        Unit.SECONDS,
        (
            (
                f"time() - max by (stage) (bookstore_release_stage_timestamp_seconds{{{ONE}}})",
                "{{stage}}",
            ),
        ),
    ),
    Panel(
        "Pods",
        Unit.COUNT,
        (
            (f"max(bookstore_replicas{{{ONE}}})", "wanted"),
            (f"max(bookstore_ready_replicas{{{ONE}}})", "ready"),
            (f"max(bookstore_autoscaler_max_replicas{{{ONE}}})", "at most"),
        ),
    ),
    Panel("CPU", Unit.COUNT, ((_rate("process_cpu_seconds_total", "pod"), "{{pod}}"),)),
    Panel(
        "Memory",
        Unit.BYTES,
        ((f"max by (pod) (process_resident_memory_bytes{{{ONE}}})", "{{pod}}"),),
    ),
)
DATA = (
    Panel(
        "Database connections",
        Unit.COUNT,
        (
            (f"sum(bookstore_database_pool_checked_out{{{ONE}}})", "in use"),
            (f"sum(bookstore_database_pool_open{{{ONE}}})", "open"),
            (f"sum(bookstore_database_pool_size{{{ONE}}})", "at most"),
            (f"sum(bookstore_database_pool_waiting{{{ONE}}})", "requests that wait"),
        ),
    ),
    Panel(
        "Dependencies that are not ok",
        Unit.COUNT,
        (
            (
                f'sum by (dependency, state) (bookstore_dependency_state{{{ONE},state!="ok"}})',
                "{{dependency}}: {{state}}",
            ),
        ),
    ),
    Panel(
        "Age of the last verified backup",
        Unit.SECONDS,
        (
            (f"time() - max(bookstore_backup_verified_timestamp_seconds{{{ONE}}})", "age"),
            (f"max(bookstore_backup_max_age_seconds{{{ONE}}})", "may be"),
        ),
    ),
    Panel(
        "Recovery time of the last drill",
        Unit.SECONDS,
        ((f"max(bookstore_drill_recovery_seconds{{{ONE}}})", ""),),
        Style.NUMBER,
    ),
    Panel(
        "Space left on volumes",
        Unit.SHARE,
        (
            (
                "max by (namespace, persistentvolumeclaim) (kubelet_volume_stats_available_bytes"
                '{namespace="$namespace"} / kubelet_volume_stats_capacity_bytes) * on (namespace, '
                "persistentvolumeclaim) group_left (volume) max by (namespace, volume, "
                f"persistentvolumeclaim) (bookstore_volume_info{{{ONE}}})",
                "{{volume}}",
            ),
        ),
    ),
)
FLEET = (
    Panel(
        "BookStores", Unit.COUNT, (('count(bookstore_condition{type="Ready"})', ""),), Style.NUMBER
    ),
    Panel(
        "Not ready, by reason",
        Unit.COUNT,
        (('count by (reason) (bookstore_condition{type="Ready",status="False"})', "{{reason}}"),),
    ),
    Panel(
        "Stalled: somebody has to act",
        Unit.COUNT,
        (
            (
                f"max by ({BY_STORE}, reason) "
                '(bookstore_condition{type="Stalled",status="True"})',
                "",
            ),
        ),
        Style.TABLE,
    ),
    Panel(
        "Highest shares of failed requests",
        Unit.SHARE,
        ((f"topk(10, {ERRORS.ratio('1h')})", "{{namespace}}/{{bookstore}}"),),
    ),
    Panel(
        "Most requests",
        Unit.PER_SECOND,
        (
            (
                f"topk(10, sum by (namespace, bookstore) (rate({_REQUESTS}[$__rate_interval])))",
                "{{namespace}}/{{bookstore}}",
            ),
        ),
    ),
    Panel(
        "Oldest verified backups",
        Unit.SECONDS,
        (
            (
                f"topk(10, time() - max by ({BY_STORE}) "
                "(bookstore_backup_verified_timestamp_seconds))",
                "{{namespace}}/{{bookstore}}",
            ),
        ),
    ),
    Panel(
        "Releases by result, in a day",
        Unit.COUNT,
        (("sum by (result) (increase(bookstore_releases_total[1d]))", "{{result}}"),),
    ),
    Panel(
        "Mean time in each stage, over a day",
        Unit.SECONDS,
        (
            (
                "sum by (stage) (rate(bookstore_release_stage_duration_seconds_sum[1d])) / "
                "sum by (stage) (rate(bookstore_release_stage_duration_seconds_count[1d]))",
                "{{stage}}",
            ),
        ),
    ),
)
OPERATOR = (
    Panel(
        "Leader",
        Unit.COUNT,
        (("max by (namespace, pod) (bookstore_operator_leader)", "{{namespace}}/{{pod}}"),),
    ),
    Panel(
        "Reconciliations",
        Unit.PER_SECOND,
        ((_rate("bookstore_operator_reconcile_total", "result", ""), "{{result}}"),),
    ),
    Panel(
        "Duration of a reconciliation",
        Unit.SECONDS,
        tuple(
            (_quantile(q, "bookstore_operator_reconcile_duration_seconds", ""), f"p{q * 100:g}")
            for q in (0.5, 0.99)
        ),
    ),
    Panel(
        "Queue",
        Unit.COUNT,
        (
            ("sum(bookstore_operator_queue_depth)", "waiting"),
            ("sum(bookstore_operator_workers_busy)", "busy workers"),
        ),
    ),
    Panel(
        "Wait in the queue, p99",
        Unit.SECONDS,
        ((_quantile(0.99, "bookstore_operator_queue_wait_seconds", ""), ""),),
    ),
    Panel(
        "Requests to the API server",
        Unit.PER_SECOND,
        (
            (
                _rate("bookstore_operator_api_requests_total", "method, code", ""),
                "{{method}} {{code}}",
            ),
        ),
    ),
    Panel(
        "Their duration, p99",
        Unit.SECONDS,
        (
            (
                _quantile(0.99, "bookstore_operator_api_request_duration_seconds", "", "method"),
                "{{method}}",
            ),
        ),
    ),
    Panel(
        "Age of the last complete list",
        Unit.SECONDS,
        (
            (
                "time() - max by (namespace) (bookstore_operator_last_list_timestamp_seconds)",
                "{{namespace}}",
            ),
        ),
    ),
    Panel(
        "News that no watch had delivered, in an hour",
        Unit.COUNT,
        (("sum(increase(bookstore_operator_list_changes_total[1h]))", ""),),
    ),
)

DASHBOARDS = (
    Dashboard(
        "bookstore",
        "BookStore",
        (("Users", USERS), ("Releases and Pods", STATE), ("Data", DATA)),
        {
            "namespace": "label_values(bookstore_condition, namespace)",
            "bookstore": 'label_values(bookstore_condition{namespace="$namespace"}, bookstore)',
        },
    ),
    Dashboard("bookstore-fleet", "BookStores", (("All BookStores", FLEET),)),
    Dashboard("bookstore-operator", "BookStore operator", (("The operator", OPERATOR),)),
)


def as_json(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard as Grafana imports it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["bookstore"],
        "schemaVersion": 39,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": list(_variables(dashboard))},
        "panels": list(_panels(dashboard.rows)),
    }


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }
    for name, query in dashboard.variables.items():
        yield {
            "name": name,
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
        }


def _panels(rows: Iterable[tuple[str, tuple[Panel, ...]]]) -> Iterator[dict[str, Any]]:
    """Yield rows and their panels, three beside each other, with numbers from 1."""
    number, top = 1, 0
    for title, panels in rows:
        place = {"h": 1, "w": _COLUMNS, "x": 0, "y": top}
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "gridPos": place,
            "collapsed": False,
            "panels": [],
        }
        number, top = number + 1, top + 1
        for index, panel in enumerate(panels):
            line, column = divmod(index, _COLUMNS // _WIDTH)
            place = {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": top + line * _HEIGHT}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            number += 1
        top += _HEIGHT * -(-len(panels) // (_COLUMNS // _WIDTH))


def _panel(panel: Panel) -> dict[str, Any]:
    is_table = panel.style is Style.TABLE
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": query,
            "legendFormat": legend or "__auto",
            "instant": is_table,
            "range": not is_table,
            "format": "table" if is_table else "time_series",
        }
        for index, (query, legend) in enumerate(panel.queries)
    ]
    hidden = {"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}
    return {
        "type": panel.style.value,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": panel.unit.value, "min": 0}, "overrides": []},
        "transformations": [hidden] if is_table else [],
    }
