"""The inventory: how many copies of each book there are, and for whom some are reserved."""
