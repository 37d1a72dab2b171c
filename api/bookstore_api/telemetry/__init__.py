"""What a process tells of itself: log lines, metrics, and which request they belong to."""
