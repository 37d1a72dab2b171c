"""A server that tests start, stop and freeze: a program from a wheel, in a process of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from tests.support.ports import free_port

START_SECONDS = 30
STOP_SECONDS = 20


class ServerMissingError(Exception):
    """No server was given, and the wheel that brings one is not installed."""


class OwnServer:
    """A server that nobody else uses; subclasses know how to start it and when it answers."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, log: Path) -> None:
        """Choose a port; the server is not started yet."""
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()

    def _start(
        self,
        command: Sequence[str | Path],
        answer: Callable[[], object],
        not_yet: type[Exception] | tuple[type[Exception], ...],
        **options: Any,
    ) -> None:
        """Start a command, and wait until `answer` raises none of the errors in `not_yet`."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                answer()
            except not_yet:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log_text = self._log.read_text(errors="replace")[-2000:]
                    msg = f"{self.name} does not start: {log_text}"
                    raise RuntimeError(msg) from None
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals | None = None) -> None:
        """Stop the server at once, even a frozen one; clients lose their connections."""
        if self._process is not None:
            if self._process.poll() is None:
                self.thaw()
                self._process.send_signal(how or self.stop_signal)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Keep the server from answering, its connections open."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server continue."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        for process in [*map(int, children.split()), pid]:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(process, number)


def package_folder(package: str, missing: str) -> Path:
    """Return the folder of an installed package; raises ServerMissingError with a message."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerMissingError(missing)
    return Path(spec.origin).parent
