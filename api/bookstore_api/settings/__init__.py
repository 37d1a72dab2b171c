"""What can be set, where it is read from, and what a wrong setting is answered with."""

from bookstore_api.settings.errors import SettingsError
from bookstore_api.settings.load import load_settings
from bookstore_api.settings.model import PREFIX, Settings
from bookstore_api.settings.values import Environment

__all__ = ["PREFIX", "Environment", "Settings", "SettingsError", "load_settings"]
