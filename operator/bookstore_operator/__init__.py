"""A Kubernetes operator that runs a bookstore in production."""

__version__ = "0.1.0"
