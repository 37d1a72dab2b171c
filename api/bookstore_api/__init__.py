"""The BookStore API."""

__version__ = "0.1.0"
