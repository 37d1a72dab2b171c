"""URIs of databases and of Redis, read by pure functions that raise ValueError for a wrong one."""
