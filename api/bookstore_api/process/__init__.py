"""What any command needs of its process: signals, draining, serving again, how it ended."""
