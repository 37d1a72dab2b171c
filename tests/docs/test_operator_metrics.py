"""The examples of the operator's metrics are queries of metrics and labels that exist."""

import pytest

from bookstore_operator.telemetry.catalog import METRICS
from tests.support.promql import unknown_names

pytestmark = pytest.mark.golden

EXAMPLES = {metric.name: metric.example for metric in METRICS.values() if metric.example}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_asks_for_its_metric_and_others_that_exist(name: str) -> None:
    assert unknown_names(EXAMPLES[name]) == set()
    assert name in EXAMPLES[name]


@pytest.mark.parametrize(
    ("query", "unknown"),
    [
        ("bookstore_gone", "bookstore_gone"),
        ('bookstore_condition{kind="Ready"}', "bookstore_condition{kind}"),
        ("sum by (pod, shop) (bookstore_replicas)", "by (shop)"),
        ('bookstore_condition{type="Redy"}', 'bookstore_condition{type="Redy"}'),
        (
            'bookstore_condition{reason=~"MigrationFailed|Gone"}',
            'bookstore_condition{reason="Gone"}',
        ),
        ("rate(bookstore_replicas_bucket[5m])", "bookstore_replicas_bucket"),
    ],
)
def test_what_does_not_exist_is_found(query: str, unknown: str) -> None:
    assert unknown_names(query) == {unknown}
