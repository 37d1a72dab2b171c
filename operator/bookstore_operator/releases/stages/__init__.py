"""The stages of a release: one file per stage, with its gates. Pure."""
