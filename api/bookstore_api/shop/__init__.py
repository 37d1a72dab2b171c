"""What a bookstore does: a folder a domain, all of them listed in domains.py."""
