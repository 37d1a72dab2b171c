"""What Prometheus is told of this process, on the internal port.

Every metric is made here, on a registry of our own, so that one page shows them all. Labels have
few values: route templates, never paths.
"""

from prometheus_client import CollectorRegistry, Counter

REGISTRY = CollectorRegistry(auto_describe=True)
RATE_LIMIT_REFUSALS = Counter(
    "bookstore_rate_limit_refusals_total",
    "Requests refused because their client had too many.",
    ["scope"],
    registry=REGISTRY,
)
RATE_LIMIT_FALLBACKS = Counter(
    "bookstore_rate_limit_fallbacks_total",
    "Writes that were counted in this process alone, as Redis was away.",
    registry=REGISTRY,
)
STAFF_ATTEMPTS = Counter(
    "bookstore_staff_attempts_total",
    "Requests that had to show the staff token, by how that went.",
    ["outcome"],
    registry=REGISTRY,
)
