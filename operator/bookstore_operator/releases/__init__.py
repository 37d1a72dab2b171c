"""A release: its life, its stages, its records. Pure."""
