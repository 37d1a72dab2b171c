"""What can be set, where each value is read from, and how invalid settings are reported."""

from bookstore_api.settings.load import load_settings
from bookstore_api.settings.model import PREFIX, Settings
from bookstore_api.settings.sources import SettingsError
from bookstore_api.settings.values import Environment

__all__ = ["PREFIX", "Environment", "Settings", "SettingsError", "load_settings"]
