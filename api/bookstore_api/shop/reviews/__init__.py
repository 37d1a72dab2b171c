"""Reviews: what customers say of books that were delivered to them."""
