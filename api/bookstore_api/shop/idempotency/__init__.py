"""Requests that may be sent again: the answer to a key is stored with what it did."""
