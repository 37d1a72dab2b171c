"""Carts and orders: from the first book in a cart to the parcel at the door, or the money back."""
