"""The server: both ports, one connection, what is rejected before any app sees it."""
