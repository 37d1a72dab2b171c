"""What the domains of the shop share; it knows none of them."""
