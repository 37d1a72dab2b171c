"""The stages of a release: a file each, with its gates. Pure."""
