"""Why the shop does not do what it is asked; problems.py says how HTTP answers each."""


class ShopError(Exception):
    """Something asked for is not done; the message says why and what to do, to who asked."""


class NotFoundError(ShopError):
    """There is no such thing."""


class ConflictError(ShopError):
    """Something else is in the way."""


class PreconditionFailedError(ShopError):
    """It was changed since it was read."""
