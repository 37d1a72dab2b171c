"""The embedded cache, or the Secret of an external one."""
