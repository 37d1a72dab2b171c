"""The catalogue: the books there are."""
