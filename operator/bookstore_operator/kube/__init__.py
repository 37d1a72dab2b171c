"""The API server, in and out: it knows no BookStore but its labels."""
