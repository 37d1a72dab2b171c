"""What wrong settings are answered with; on its own because what reads them raises it, too."""


class SettingsError(Exception):
    """The settings can't be used; the message says which and what to do, without their values."""
