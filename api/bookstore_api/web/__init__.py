"""HTTP from the socket to the router, in the order of the way."""
