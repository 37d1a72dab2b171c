"""Each alert is fired by what it is about, by nothing else, and ends: by Prometheus' own engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from delivery.monitoring.alerts import ALERTS
from delivery.monitoring.objects import groups
from tests.support.promql import grouped_by, selectors, unknown_names
from tests.support.promtool import promtool

RULES = [rule for group in groups() for rule in group["rules"]]
RECORDED = frozenset(rule["record"] for rule in RULES if "record" in rule)
HOUR, DAY = 60, 24 * 60
OWN = '{namespace="shop",bookstore="demo"'


def series(name: str, **labels: str) -> str:
    """Return a series of the BookStore that the cases are about."""
    more = "".join(f',{key}="{value}"' for key, value in labels.items())
    return f"{name}{OWN}{more}}}"


def condition(kind: str, status: str, reason: str) -> str:
    return series("bookstore_condition", type=kind, status=status, reason=reason)


def requests(status: str = "200") -> str:
    return series("bookstore_http_requests_total", method="GET", route="/", status=status)


def durations(method: str, suffix: str, **edge: str) -> str:
    name = f"bookstore_http_request_duration_seconds_{suffix}"
    return series(name, method=method, route="/", **edge)


def volume(what: str) -> str:
    claim = 'namespace="shop",persistentvolumeclaim="data-demo-db-0"'
    return f"kubelet_volume_stats_{what}_bytes{{{claim}}}"


OPERATOR = '{namespace="bookstore-system",pod="one"'
HEALTHY: Mapping[str, str] = {
    requests(): "0+600x",
    requests("503"): "0+0.2x",
    durations("GET", "count"): "0+600x",
    durations("GET", "bucket", le="0.1"): "0+598x",
    durations("POST", "count"): "0+60x",
    durations("POST", "bucket", le="0.25"): "0+60x",
    series("bookstore_http_connections_open", pod="demo-blue-1"): "9+0x",
    condition("Available", "True", "Serving"): "1+0x",
    condition("Stalled", "False", "NotStalled"): "1+0x",
    condition("DatabaseMigrated", "True", "Migrated"): "1+0x",
    condition("BackupHealthy", "True", "BackedUp"): "1+0x",
    series("bookstore_active_revision"): "1+0x",
    series("bookstore_ready_replicas"): "2+0x",
    series("bookstore_autoscaler_desired_replicas"): "2+0x",
    series("bookstore_autoscaler_max_replicas"): "5+0x",
    series("bookstore_backup_verified_timestamp_seconds"): "0+60x",
    series("bookstore_backup_max_age_seconds"): "90000+0x",
    series(
        "bookstore_volume_info", volume="database", persistentvolumeclaim="data-demo-db-0"
    ): "1+0x",
    volume("available"): "50+0x",
    volume("capacity"): "100+0x",
    f"bookstore_operator_leader{OPERATOR}}}": "1+0x",
    'bookstore_operator_leader{namespace="bookstore-system",pod="two"}': "0+0x",
    f"bookstore_operator_last_list_timestamp_seconds{OPERATOR}}}": "0+60x",
    f"bookstore_operator_unavailable_scopes{OPERATOR}}}": "0+0x",
    f'bookstore_operator_reconcile_total{OPERATOR},result="unchanged"}}': "0+60x",
    f'bookstore_operator_reconcile_total{OPERATOR},result="failed"}}': "0+1x",
    f'bookstore_operator_queue_wait_seconds_bucket{OPERATOR},le="30"}}': "0+60x",
    f'bookstore_operator_queue_wait_seconds_bucket{OPERATOR},le="60"}}': "0+60x",
    f'bookstore_operator_queue_wait_seconds_bucket{OPERATOR},le="+Inf"}}': "0+60x",
}
"""A BookStore and an operator that nobody is called for; an empty end stands for the duration."""


@dataclass(frozen=True)
class Case:
    """What happens, and which alerts then fire."""

    name: str
    happens: Mapping[str, str]
    """The series that are other than those of HEALTHY; an empty text: the series is gone."""
    fires: Mapping[int, tuple[tuple[str, str], ...]]
    """Alert and severity by the minute at which they are asked for."""
    gone: tuple[str, ...] = field(default=())
    """The beginnings of the names of series that are gone."""

    @property
    def is_about_objectives(self) -> bool:
        """Whether requests are counted, or nothing happens: the rules of all groups are used."""
        return not self.happens or any(name.startswith(_OBJECTIVES) for name in self.happens)


_OBJECTIVES = "bookstore_http_request"


def turns(kind: str, status: str, reason: str, gone: str) -> Mapping[str, str]:
    """Return a condition that turns after ten minutes, for twenty."""
    return {
        gone: "1+0x9 _x19 1+0x",
        condition(kind, status, reason): "_x10 1+0x19",
    }


STALLED = condition("Stalled", "False", "NotStalled")
BACKUPS = condition("BackupHealthy", "True", "BackedUp")
STAGE = "bookstore_release_stage_timestamp_seconds"
ERRORS, LATENCY = "BookStoreErrorBudgetBurn", "BookStoreLatencyBudgetBurn"
CASES = (
    Case("nothing", {}, {5: (), HOUR: (), 2 * HOUR: ()}),
    Case("nothing all day", {}, {DAY: ()}),
    Case(
        "requests fail",
        {requests("503"): "0+0.2x99 20+20x30 620+0x"},
        {
            100: (),
            125: ((ERRORS, "critical"), (ERRORS, "warning")),
            163: ((ERRORS, "warning"),),  # the long window alone still has them
            125 + HOUR: ((ERRORS, "warning"),),
        },
    ),
    Case(
        "some requests fail all day",
        {requests("503"): "0+2.5x"},
        {DAY: ((ERRORS, "warning"),)},
    ),
    Case(
        "one of few requests fails at night",
        {requests(): "0+0.1x", requests("503"): "0+0x59 1+0x"},
        {HOUR + 5: (), 2 * HOUR: ()},
        gone=("bookstore_http_request_duration",),
    ),
    Case(
        "reads are slow",
        {durations("GET", "bucket", le="0.1"): "0+400x"},
        {2 * HOUR: ((LATENCY, "info"), (LATENCY, "warning"))},
    ),
    Case(
        "writes are slow",
        {durations("POST", "bucket", le="0.25"): "0+40x"},
        {2 * HOUR: ((LATENCY, "info"), (LATENCY, "warning"))},
    ),
    Case(
        "no Pod serves",
        turns("Available", "False", "NoPodAvailable", condition("Available", "True", "Serving")),
        {12: (), 20: (("BookStoreUnavailable", "critical"),), 35: ()},
    ),
    Case(
        "a new one does not serve yet",
        {condition("Available", "False", "NotPromoted"): "1+0x"},
        {HOUR: ()},
        gone=("bookstore_active_revision", condition("Available", "True", "Serving")),
    ),
    Case(
        "a scrape in two fails meanwhile",
        {condition("Stalled", "True", "VolumeMismatch"): "1 stale " * 200, STALLED: ""},
        {30: (("BookStoreStalled", "warning"),)},
    ),
    *(
        Case(
            f"{kind} {reason}",
            turns(kind, status, reason, gone),
            {11: (), 20: ((alert, severity),), 40: ()},
        )
        for alert, severity, kind, status, reason, gone in (
            ("BookStoreStalled", "warning", "Stalled", "True", "VolumeMismatch", STALLED),
            ("BookStoreReleaseAborted", "warning", "Stalled", "True", "RolledBack", STALLED),
            ("BookStoreReleaseAborted", "warning", "Stalled", "True", "Aborted", STALLED),
            ("BookStoreMigrationFailed", "critical", "Stalled", "True", "MigrationFailed", STALLED),
            ("BookStoreDrillFailed", "warning", "BackupHealthy", "False", "DrillFailed", BACKUPS),
            (
                "BookStoreBackupDamaged",
                "critical",
                "BackupHealthy",
                "False",
                "BackupDamaged",
                BACKUPS,
            ),
        )
    ),
    Case(
        "the contract migration failed",
        {
            condition("DatabaseMigrated", "True", "Migrated"): "",
            condition("DatabaseMigrated", "True", "ContractFailed"): "1+0x",
        },
        {30: (("BookStoreMigrationFailed", "critical"),)},
    ),
    Case(
        "a stage takes hours",
        {series(STAGE, stage="Expand"): "0+0x"},
        {110: (), 130: (("BookStoreReleaseStuck", "warning"),)},
    ),
    Case(
        "a person takes a day",
        {series(STAGE, stage="Approve"): "0+0x"},
        {DAY - 5: (), DAY + 10: (("BookStoreReleaseStuck", "warning"),)},
    ),
    Case("an old color is kept warm", {series(STAGE, stage="Warm"): "0+0x"}, {3 * HOUR: ()}),
    Case(
        "the autoscaler is at its limit",
        {series("bookstore_autoscaler_desired_replicas"): "5+0x"},
        {20: (), 40: (("BookStoreAutoscalerAtLimit", "warning"),)},
    ),
    Case(
        "Pods are not scraped",
        {series("bookstore_http_connections_open", pod="demo-blue-1"): ""},
        {10: (), 20: (("BookStoreNotScraped", "warning"),)},
    ),
    Case(
        "no backup is verified any more",
        {
            BACKUPS: "",
            condition("BackupHealthy", "False", "BackupStale"): "1+0x",
        },
        {10: (), 20: (("BookStoreBackupStale", "warning"),)},
    ),
    Case(
        "nor does the operator say so",
        {
            series("bookstore_backup_verified_timestamp_seconds"): "0+0x",
            series("bookstore_backup_max_age_seconds"): "3600+0x",
        },
        {2 * HOUR: (), 3 * HOUR: (("BookStoreBackupStale", "warning"),)},
    ),
    Case(
        "a volume fills",
        {volume("available"): "10+0x"},
        {3: (), 10: (("BookStoreVolumeFilling", "warning"),)},
    ),
    Case(
        "a volume is full",
        {volume("available"): "1+0x"},
        {10: (("BookStoreVolumeFilling", "critical"), ("BookStoreVolumeFilling", "warning"))},
    ),
    Case(
        "a volume of somebody else is full",
        {
            volume("available").replace("demo", "other"): "1+0x",
            volume("capacity").replace("demo", "other"): "100+0x",
        },
        {10: ()},
    ),
    Case(
        "no replica leads",
        {f"bookstore_operator_leader{OPERATOR}}}": "0+0x"},
        {3: (), 10: (("BookStoreOperatorWithoutLeader", "critical"),)},
    ),
    Case(
        "the operator is gone",
        {},
        {10: (("BookStoreOperatorWithoutLeader", "critical"),)},
        gone=("bookstore_operator_",),
    ),
    Case(
        "lists fail",
        {f"bookstore_operator_last_list_timestamp_seconds{OPERATOR}}}": "0+0x"},
        {25: (), 40: (("BookStoreOperatorBlind", "critical"),)},
    ),
    Case(
        "a right is missing",
        {f"bookstore_operator_unavailable_scopes{OPERATOR}}}": "1+0x"},
        {3: (), 10: (("BookStoreOperatorBlind", "critical"),)},
    ),
    Case(
        "reconciliations fail",
        {f'bookstore_operator_reconcile_total{OPERATOR},result="failed"}}': "0+60x"},
        {10: (), 20: (("BookStoreOperatorFailing", "warning"),)},
    ),
    Case(
        "the operator is overloaded",
        {f'bookstore_operator_queue_wait_seconds_bucket{OPERATOR},le="30"}}': "0+1x"},
        {5: (), 20: (("BookStoreOperatorOverloaded", "warning"),)},
    ),
)


def as_test(case: Case) -> dict[str, object]:
    """Return a case as promtool reads it."""
    last = max(case.fires)
    kept = {
        name: values
        for name, values in {**HEALTHY, **case.happens}.items()
        if values
        and not name.startswith(case.gone or ("nothing",))
        and (case.is_about_objectives or not name.startswith(_OBJECTIVES))
    }
    return {
        "name": case.name,
        "interval": "1m",
        "input_series": [
            {"series": name, "values": f"{values}{last}" if values.endswith("x") else values}
            for name, values in kept.items()
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname, severity) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minute}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}", severity="{severity}"}}', "value": 1}
                    for name, severity in fires
                ],
            }
            for minute, fires in case.fires.items()
        ],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups()}))
    others = [group for group in groups() if group["name"] != "bookstore-objectives"]
    (folder / "others.yaml").write_text(yaml.safe_dump({"groups": others}))
    return folder


@pytest.mark.scenario
def test_promtool_has_nothing_to_say_about_the_rules(folder: Path) -> None:
    check = promtool("check", "rules", "--lint=all", "rules.yaml", folder=folder)
    assert check.returncode == 0, check.stderr
    assert f"{len(RULES)} rules found" in check.stdout


def parameter(case: Case) -> object:
    """Return a case as pytest's parameter: days take seconds to compute."""
    is_slow = max(case.fires) >= DAY
    return pytest.param(case, id=case.name, marks=[pytest.mark.nightly] if is_slow else [])


@pytest.mark.scenario
@pytest.mark.parametrize("case", [parameter(case) for case in CASES])
def test_alerts_fire_when_they_should(case: Case, folder: Path) -> None:
    rules = "rules.yaml" if case.is_about_objectives else "others.yaml"
    test = {"rule_files": [rules], "evaluation_interval": "1m", "tests": [as_test(case)]}
    file = folder / f"{CASES.index(case)}.yaml"
    file.write_text(yaml.safe_dump(test))
    outcome = promtool("test", "rules", file.name, folder=folder)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.golden
def test_every_alert_is_fired_by_a_case() -> None:
    fired = {pair for case in CASES for fires in case.fires.values() for pair in fires}
    assert {(alert.name, alert.severity.value) for alert in ALERTS} == fired


@pytest.mark.golden
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.get("alert", rule.get("record"))))
def test_a_rule_asks_for_what_exists(rule: dict[str, str]) -> None:
    assert unknown_names(rule["expr"], RECORDED) == set()


@pytest.mark.golden
@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name}-{alert.severity.value}")
def test_an_alert_names_what_it_is_about(alert: object) -> None:
    """An inhibition compares labels, and one that is missing on both sides counts as equal."""
    assert isinstance(alert, type(ALERTS[0]))
    kept = grouped_by(alert.expression)
    assert "namespace" in kept
    assert "bookstore" in kept or not alert.of_store
    assert selectors(alert.expression)
