"""Redis, which may be absent: one pool, a breaker, a limit of time around each call."""
