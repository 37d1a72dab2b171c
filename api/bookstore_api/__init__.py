"""The BookStore API: a FastAPI service with its migrations and maintenance commands."""

__all__ = ["__version__"]

# Written down here: asking the installation costs a start 30 ms before it can be told to stop.
__version__ = "0.1.0"
