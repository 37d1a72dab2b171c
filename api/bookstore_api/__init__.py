"""The BookStore API: a FastAPI service with its migrations and maintenance commands."""

__all__ = ["__version__"]

# A constant: reading it from the installed metadata would take 30 ms of each start.
__version__ = "0.1.0"
