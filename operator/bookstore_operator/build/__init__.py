"""Pure builders: from intent to manifest, one file a kind of object."""
