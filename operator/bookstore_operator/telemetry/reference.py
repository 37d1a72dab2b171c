"""Generate the reference: `python -m bookstore_operator.telemetry.reference --output FILE`."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from bookstore_operator.telemetry.catalog import OPERATOR_METRICS, STORE_METRICS, Kind, Metric

_INTRODUCTION = """\
# Metrics of the operator

<!-- Generated from operator/bookstore_operator/telemetry by `make generate`: do not edit. -->

The operator serves its metrics at `GET /metrics` on port 8080, beside its probes, in Prometheus'
text format. The metrics of the API are on [a page of their own](metrics.md).

Each label has a bounded number of values, and the series of a BookStore end when it is deleted.
Times are timestamps: `time() - x` is an age.
"""
_PROCESS = """\
## The operator's process

Each replica has these; only the leader reconciles. `process_*` are as for the
[API](metrics.md#the-process). Counters start at 0 with the process.
"""
_STORES = """\
## BookStores

Only the leader reports these, so each exists once. After a change of the leader, Prometheus has the
series of both for up to 5 minutes, with different Pods: aggregate with
`max by (namespace, bookstore)`. The label `namespace` is that of the BookStore, so a scrape needs
`honorLabels: true`.
"""
_HEAD = "| metric | kind | labels | meaning | example |\n| --- | --- | --- | --- | --- |"


def reference() -> str:
    """Return the reference of all metrics, in Markdown."""
    parts = (_PROCESS, *_table(OPERATOR_METRICS), "", _STORES, *_table(STORE_METRICS))
    return "\n".join((_INTRODUCTION, *parts, ""))


def _table(metrics: Iterable[Metric]) -> Iterator[str]:
    yield _HEAD
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        meaning = metric.meaning
        if metric.kind is Kind.HISTOGRAM:
            edges = ", ".join(f"{edge:g}" for edge in metric.buckets)
            meaning = f"{meaning}. Bucket edges: {edges} s"
        example = f"`{metric.example}`" if metric.example else ""
        cells = (f"`{metric.name}`", metric.kind.value, labels, meaning, example)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    """Write the reference."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    output: Path = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
