"""Starts many `bookstore-api` processes cheaply: loads the code once, then forks.

Run as a program. Each line that it reads is an order, as JSON: to start a command, or to send a
signal to one that has not ended. It writes a line for each that started and each that ended.
"""

import json
import os
import selectors
import signal
import sys
from typing import Any, NoReturn

import uvloop

from bookstore_api import __main__, app, cli
from bookstore_api.cli import walk
from bookstore_api.db.schema import check, migrate
from bookstore_api.shop import domains
from bookstore_api.web import internal_app
from bookstore_api.web.server import serve

# What the commands would load by themselves.
LOADED = (app, check, cli, domains, internal_app, migrate, serve, uvloop, walk)


def main() -> None:
    """Carry out orders and tell of each child's end, until the orders end."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(writes)
    running: set[int] = set()
    unread = b""
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        selector.register(reads, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                data = os.read(key.fd, 65536)
                if key.fd == reads:
                    _reap(running)
                    continue
                if not data:
                    return
                *orders, unread = (unread + data).split(b"\n")
                for order in orders:
                    _carry_out(json.loads(order), running)


def _carry_out(order: dict[str, Any], running: set[int]) -> None:
    if "signal" in order:
        if order["pid"] in running:  # else its number may be another's by now
            os.kill(order["pid"], order["signal"])
        return
    pid = os.fork()
    if pid == 0:
        _become(order)
    running.add(pid)
    _tell(started=pid)


def _become(order: dict[str, Any]) -> NoReturn:
    """Be the command, as if this process had been started for it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    output = os.open(order["output"], os.O_WRONLY | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(os.open(order["errors"], os.O_WRONLY | os.O_APPEND), 2)
    sys.argv = ["bookstore-api", *order["arguments"]]
    code = 1
    try:
        __main__.main()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _reap(running: set[int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        running.remove(pid)
        _tell(ended=pid, code=os.waitstatus_to_exitcode(status))


def _tell(**what: int) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
