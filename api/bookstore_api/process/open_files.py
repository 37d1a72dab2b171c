"""How many files, and so connections, the process may have open."""

import resource
from contextlib import suppress

# Enough for every connection that a process can serve; some systems' hard limit is no number.
MOST = 1_048_576


def raise_limit() -> None:
    """Raise the soft limit to the hard one.

    The soft one is for programs that use select(), and often 1024. Beyond it, the kernel closes
    new connections without a word: clients, probes and the database's alike.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # macOS has further limits
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
