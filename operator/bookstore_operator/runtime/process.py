"""The operator's process: start its parts, wait until the first ends, log why, stop the others."""

import asyncio
import logging
import os
import signal
from collections.abc import Collection, Coroutine, Iterable
from typing import Any, NoReturn

from aiohttp import web

from bookstore_operator import __version__
from bookstore_operator.kube.client import Api, ApiError, ClusterError, load_configuration
from bookstore_operator.runtime.garbage import collect_rarely
from bookstore_operator.runtime.manager import Manager, OperatorEndedError
from bookstore_operator.runtime.metrics import Metrics
from bookstore_operator.runtime.options import Options
from bookstore_operator.runtime.probes import Health, serve
from bookstore_operator.runtime.scrape import Client
from bookstore_operator.runtime.watchdog import Watchdog

logger = logging.getLogger(__name__)

_STOP_SECONDS = 3
_LINGER_SECONDS = 1.0


async def run(options: Options) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        OperatorEndedError: a part ended without which the operator must not continue.
        ClusterError: the cluster is not as it needs to be; the message says what to do.

    """
    collect_rarely()
    health = Health()
    watchdog = Watchdog()
    watchdog.start()
    configuration = await load_configuration(options.kubeconfig)
    client = Client(options.pod_proxy, prometheus_hosts=options.prometheus_hosts)
    async with Api(configuration) as api, client:
        parts = Manager(api, client, options, health)
        probes = await _serve(health, options, parts.metrics)
        await parts.list_all()  # also the check that the cluster is as it needs to be
        health.listed = parts.scopes.started = True
        stopped = asyncio.Event()
        _handle_signals(stopped)
        watches = {
            asyncio.create_task(
                parts.watch(configuration, scope, lambda: _handle_signals(stopped)), name="watch"
            )
            for scope in parts.scopes.names
        }
        tasks = {
            asyncio.create_task(watchdog.beat(), name="heartbeat"),
            asyncio.create_task(stopped.wait(), name="stop"),
            asyncio.create_task(parts.lead(), name="leader"),
        }
        logger.info("bookstore-operator %s started, %s.", __version__, _scope(options))
        try:
            done, _ = await asyncio.wait({*tasks, *watches}, return_when=asyncio.FIRST_COMPLETED)
            if not stopped.is_set():
                health.fatal = _failure_message(done)
                raise OperatorEndedError(health.fatal)
            logger.info("Stopping.")
        finally:
            await _end(tasks)
            await parts.election.release()
            await _end(watches)
            await _linger(health)
            await probes.cleanup()


async def _serve(health: Health, options: Options, metrics: Metrics) -> web.AppRunner:
    try:
        return await serve(health, options.health_host, options.health_port, metrics.page)
    except OSError as error:
        message = (
            f"Can't serve health probes on port {options.health_port}: {error.strerror}. "
            "Choose another --health-port."
        )
        raise OperatorEndedError(message) from error


def _handle_signals(stopped: asyncio.Event) -> None:
    """Set an event on SIGTERM and SIGINT; replaces the handlers that kopf has set."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)


def _scope(options: Options) -> str:
    if not options.namespaces:
        return "watching all namespaces"
    return f"watching {', '.join(options.namespaces)}"


def _failure_message(done: Iterable[asyncio.Task[Any]]) -> str:
    """Return a message about which part ended first, and why."""
    task = next(iter(done))
    error = None if task.cancelled() else task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OperatorEndedError | ClusterError | ApiError):
        return str(error)
    cause = f"{type(error).__name__}: {error}" if error else "it ended without an error"
    return f"The operator's {task.get_name()} task failed ({cause})."


async def _end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for them, up to 3 s."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_STOP_SECONDS)


async def _linger(health: Health) -> None:
    """Keep answering probes for a second, so that one can read why the process exits."""
    if health.fatal:
        await asyncio.sleep(_LINGER_SECONDS)


def run_process(main: Coroutine[Any, Any, None]) -> NoReturn:
    """Run until the end and exit at once: with 0 after a signal, else with 1 and a logged message.

    Tasks of kopf can outlive the failure of one of them and would block an orderly shutdown of the
    event loop. Everything that needs an orderly end has ended before.
    """
    code = 0
    try:
        asyncio.new_event_loop().run_until_complete(main)
    except (OperatorEndedError, ClusterError) as error:
        logger.critical("%s", error)
        code = 1
    except Exception:
        logger.critical("Unhandled exception: the operator exits.", exc_info=True)
        code = 1
    logging.shutdown()
    os._exit(code)
