"""A Kubernetes cluster to develop on, with or without a container registry."""

__version__ = "0.1.0"
