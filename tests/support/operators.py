"""A real operator process against a real API server, with the rights of the real manifests."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STOP_SECONDS = 20


@dataclass
class Operator:
    """A running (or ended) `bookstore-operator run`."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """Return its log lines."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def actions(self) -> list[dict[str, Any]]:
        """Return the log lines of executed actions, including those that changed nothing."""
        return [line for line in self.lines() if "object" in line]

    def logged(self, words: str) -> list[dict[str, Any]]:
        """Return the log lines that have these words in their event."""
        return [line for line in self.lines() if words in line["event"]]

    def memory_mib(self) -> int:
        """Return its largest resident size so far; 0 without /proc."""
        status = Path(f"/proc/{self.process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(x.split()[1]) // 1024 for x in lines if x.startswith("VmHWM:")), 0)

    def cpu_seconds(self) -> float:
        """Return the CPU time it has used; 0 without /proc."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(_STOP_SECONDS)

    def kill(self) -> None:
        """Kill it if it is still running."""
        self.process.kill()
        self.process.wait(_STOP_SECONDS)


def start(kubeconfig: Path, log: Path, *arguments: str, code: Path | None = None) -> Operator:
    """Start an operator; its log is appended to an earlier one's.

    `code` is the folder with the package of another version than this checkout's.
    """
    command = [
        *(sys.executable, "-m", "bookstore_operator", "run"),
        f"--kubeconfig={kubeconfig}",
        *("--log-format=json", "--log-level=debug"),
        *("--health-host=127.0.0.1", "--health-port=0"),
        *arguments,
    ]
    environment = _environment() | ({"PYTHONPATH": str(code)} if code else {})
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stderr=output, stdout=output, stdin=subprocess.DEVNULL, env=environment
        )
    return Operator(process, log)


def _environment() -> dict[str, str]:
    """Return the environment without variables that configure an operator."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BOOKSTORE_", "KUBE"))
    }
