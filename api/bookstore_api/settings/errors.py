"""What wrong settings are answered with; a file of its own, as all the others raise it."""


class SettingsError(Exception):
    """The settings can't be used; the message says which and what to do, without their values."""
