"""The catalog: the books there are."""
