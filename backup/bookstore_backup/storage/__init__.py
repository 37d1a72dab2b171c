"""Where backups are kept: a volume or an object store, parts, encryption."""
