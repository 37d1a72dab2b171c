"""What a backup is, which are kept, and what an error means. No I/O."""
