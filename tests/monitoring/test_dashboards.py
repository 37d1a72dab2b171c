"""Every panel asks for what exists, and a real Prometheus answers it."""

import itertools
from collections.abc import Iterator

import pytest

from delivery.monitoring.dashboards import DASHBOARDS, Dashboard, Panel, as_json
from tests.monitoring.test_rules import RECORDED
from tests.support.prometheus import Prometheus, prometheus
from tests.support.promql import VALUES, known, unknown_names

QUERIES = [
    pytest.param(query, id=f"{dashboard.uid}-{panel.title}-{number}")
    for dashboard in DASHBOARDS
    for panel in dashboard.panels
    for number, (query, _) in enumerate(panel.queries)
]
PREFERRED = {"type": "Ready", "status": "False", "method": "GET", "state": "unreachable"}


def filled_in(query: str) -> str:
    """Return a query with Grafana's variables filled in."""
    values = {"$namespace": "shop", "$bookstore": "demo", "$__rate_interval": "5m"}
    for variable, value in values.items():
        query = query.replace(variable, value)
    return query


def all_series() -> dict[str, float]:
    """Return one series or more of every metric, as many as a query may need to tell apart."""
    return dict(itertools.chain.from_iterable(map(_series, known(RECORDED))))


def _series(name: str) -> Iterator[tuple[str, float]]:
    labels = {label: _value(name, label) for label in known(RECORDED)[name]}
    labels |= {"namespace": "shop", "bookstore": "demo", "pod": "demo-blue-1"}
    labels.pop("le", None)
    variants: list[dict[str, str]] = [{}]
    if name.endswith("_bucket"):
        variants = [{"le": "0.1"}, {"le": "+Inf"}]
    if name == "bookstore_condition":
        variants = [{"type": "Ready", "status": "False"}, {"type": "Stalled", "status": "True"}]
    for variant in variants:
        text = ",".join(f'{key}="{value}"' for key, value in sorted({**labels, **variant}.items()))
        yield f"{name}{{{text}}}", 2.0 if "+Inf" in text else 1.0


def _value(name: str, label: str) -> str:
    if label == "persistentvolumeclaim":
        return "data-demo-db-0"
    values = VALUES.get(f"{name}.{label}")
    return PREFERRED.get(label) or (min(values) if values else "blue")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), all_series()) as running:
        yield running


@pytest.mark.golden
@pytest.mark.parametrize("query", QUERIES)
def test_a_panel_asks_for_what_exists(query: str) -> None:
    assert unknown_names(filled_in(query), RECORDED) == set()


@pytest.mark.golden
@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: str(dashboard.uid))
def test_panels_are_beside_each_other_and_numbered(dashboard: Dashboard) -> None:
    shown = as_json(dashboard)
    assert len({panel["id"] for panel in shown["panels"]}) == len(shown["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in shown["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells


@pytest.mark.golden
@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: str(dashboard.uid))
def test_several_series_have_a_legend(dashboard: Dashboard) -> None:
    panels: list[Panel] = [panel for panel in dashboard.panels if len(panel.queries) > 1]
    assert [panel.title for panel in panels for _, legend in panel.queries if not legend] == []


@pytest.mark.scenario
def test_prometheus_has_an_answer_for_every_panel(server: Prometheus) -> None:
    empty = [p.id for p in QUERIES if not server.ask(filled_in(str(p.values[0])))]
    assert empty == []
