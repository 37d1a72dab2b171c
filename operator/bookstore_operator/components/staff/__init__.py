"""The token that writes to the API need."""
