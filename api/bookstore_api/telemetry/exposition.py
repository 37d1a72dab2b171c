"""Which format of the metrics a client gets, by its Accept header.

The client library's own choice fails on a version that it can't read, and repeats one that it does
not know.
"""

import re
from collections.abc import Callable, Iterable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition
from prometheus_client.registry import Collector

OPEN_METRICS = "application/openmetrics-text"
VERSIONS = frozenset({"", "0.0.1", "1.0.0"})  # 0.0.1 is what 1.0.0 was called as a draft
TEXT = frozenset({"text/plain", "text/*", "*/*"})
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")

Encoder = Callable[[Collector], bytes]


def choose_exposition(accept: Iterable[str]) -> tuple[Encoder, str]:
    """Return an encoder and its content type: OpenMetrics where it is asked for, else text.

    A client that accepts neither gets text: it can't do less with that than with an error.
    """
    qualities = {OPEN_METRICS: 0.0, "text": 0.0}
    for member in ",".join(accept).lower().split(","):
        kind, *parameters = (part.strip() for part in member.split(";"))
        values = dict(parameter.partition("=")[::2] for parameter in parameters)
        quality = _quality(values.get("q", "1"))
        if kind == OPEN_METRICS and values.get("version", "").strip('"') in VERSIONS:
            qualities[OPEN_METRICS] = max(qualities[OPEN_METRICS], quality)
        elif kind in TEXT:
            qualities["text"] = max(qualities["text"], quality)
    if qualities[OPEN_METRICS] > 0 and qualities[OPEN_METRICS] >= qualities["text"]:
        return exposition.generate_latest, exposition.CONTENT_TYPE_LATEST
    return generate_latest, CONTENT_TYPE_PLAIN_0_0_4


def _quality(text: str) -> float:
    """Return a weight; 1 where it is none, as if it were not there."""
    return float(text) if _QUALITY.fullmatch(text) else 1.0
