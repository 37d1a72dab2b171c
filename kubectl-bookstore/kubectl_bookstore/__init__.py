"""The kubectl plugin for BookStores, on the operator's own decisions."""

__version__ = "0.1.0"
