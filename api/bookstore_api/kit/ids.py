"""Ids of what is stored."""

import os
import time
from uuid import UUID


def new_id() -> UUID:
    """Make a UUID of version 7 (RFC 9562). New ids sort after old ones, which indexes like.

    The time is exact to 245 ns (method 3 of section 6.2), so that what one process makes one after
    the other has that order, too.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | random
    return UUID(int=value)
