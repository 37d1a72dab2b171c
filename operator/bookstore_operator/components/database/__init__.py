"""The embedded database, or the Secret of an external one."""
