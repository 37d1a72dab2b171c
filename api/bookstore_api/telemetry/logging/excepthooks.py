"""Uncaught exceptions and Python's warnings as log lines; by default they are text, with values."""

import sys
import threading
import warnings
from types import TracebackType
from typing import TextIO

import structlog

from bookstore_api.telemetry.logging.tracebacks import short_path

log = structlog.stdlib.get_logger("bookstore_api.excepthooks")


def install_excepthooks() -> None:
    """Log uncaught exceptions and warnings from now on. asyncio's go through `logging` anyway."""
    sys.excepthook = _on_uncaught
    threading.excepthook = _on_uncaught_in_thread
    sys.unraisablehook = _on_unraisable
    warnings.showwarning = _on_warning


def _on_uncaught(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, at)
    else:
        log.critical("uncaught exception", exc_info=error)


def _on_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if not issubclass(args.exc_type, SystemExit):
        log.error("uncaught exception in a thread", exc_info=args.exc_value)


def _on_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    log.error("exception that could not be raised", exc_info=unraisable.exc_value)


def _on_warning(  # noqa: PLR0913, PLR0917 - as Python calls it
    message: Warning | str,  # noqa: ARG001 - it may hold values
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    source = f"{short_path(filename)}:{lineno}"
    log.warning("Python warning", warning=category.__name__, source=source)
