"""Payments: what was asked of a provider, what it says became of it, and refunds."""
