"""What any command needs of its process: signals, draining, serving anew, how it ended."""
