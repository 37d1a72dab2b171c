"""The server: both ports, one connection, what is refused before any app sees it."""
