"""The process: it observes, asks decide and carries out what that plans."""
