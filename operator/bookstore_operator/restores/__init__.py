"""Restores: of a BookStoreRestore beside what serves, and of a new BookStore. Pure."""
