"""Ids of what is stored."""

import os
import time
from uuid import UUID


def new_id() -> UUID:
    """Make a UUID of version 7 (RFC 9562). New ids sort after old ones, which indexes like."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
