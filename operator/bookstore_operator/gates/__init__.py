"""Gates: each one thing that must be true before a release goes on."""
