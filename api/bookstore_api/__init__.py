"""The BookStore API: a FastAPI service with its migrations and maintenance commands."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("bookstore-api")
