"""What Prometheus is told of this process, on the internal port.

Every metric is made here, on a registry of our own, so that one page shows them all. Labels have
few values: route templates, never paths.
"""

from prometheus_client import CollectorRegistry

REGISTRY = CollectorRegistry(auto_describe=True)
