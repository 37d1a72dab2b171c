"""Whether a process has a handler for a signal, as Linux tells it."""

import signal
from pathlib import Path

import pytest


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process handles the signal itself; skips the test where /proc does not tell."""
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells which signals a process catches")
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & 1 << (number - 1))
