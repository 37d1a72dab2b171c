"""The token that clients must send to write through the API."""
