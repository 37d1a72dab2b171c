"""What is checked before something is published or deployed, computed without I/O."""
