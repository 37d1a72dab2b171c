"""BookStoreBackups: an index of the target, requests, verification, the final backup. Pure."""
