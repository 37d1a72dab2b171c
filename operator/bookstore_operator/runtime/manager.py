"""The parts of a running operator: who leads, what is watched, listed and checked again."""

import asyncio
import itertools
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from kubernetes.aio.client import Configuration

from bookstore_operator.kube.client import Api, ApiError
from bookstore_operator.kube.events import Recorder
from bookstore_operator.kube.leader import LeaderElection
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey
from bookstore_operator.kube.watch import Listener, watch
from bookstore_operator.runtime.executor import Executor
from bookstore_operator.runtime.metrics import Metrics, Readings
from bookstore_operator.runtime.observer import Observer
from bookstore_operator.runtime.options import Options
from bookstore_operator.runtime.probes import Health
from bookstore_operator.runtime.reconciler import RESYNC_SECONDS, Reconciler
from bookstore_operator.runtime.scrape import Client, Measurer
from bookstore_operator.runtime.workqueue import WorkQueue

logger = logging.getLogger(__name__)

LEASE_NAME = "bookstore-operator"
_STOP_SECONDS = 3
_PERMISSION_CHECK_SECONDS = 20.0
_CHECKS_PER_CRD_CHECK = 3
_MISSING_CHECK_SECONDS = 10.0
_UNAVAILABLE_POLL_SECONDS = 5.0
_RELIST_SPACING = 30.0
_SECRET_ROUND_SECONDS = 10.0
_SECRET_SPACING = 0.1
_FIRST_LIST_DELAYS = (1, 2, 4, 8, 15, 30, 30, 30)


class OperatorEndedError(Exception):
    """The operator can't continue; the message says why. The kubelet restarts the process."""


class Manager:
    """The parts of a running operator, wired together."""

    def __init__(self, api: Api, client: Client, options: Options, health: Health) -> None:
        self.cache = ObjectCache()
        self._options = options
        self._health = health
        self._observer = Observer(api, self.cache, options.settings, options.namespaces)
        self.scopes = self._observer.scopes
        health.unavailable = self.scopes.unavailable
        self._queue: WorkQueue[StoreKey] = WorkQueue()
        self._relist = asyncio.Event()
        self.election = LeaderElection(
            api, options.lease_namespace, LEASE_NAME, f"{socket.gethostname()}-{os.getpid()}"
        )
        self.metrics = Metrics(self.cache, self._readings())
        self.reconciler = Reconciler(
            self._observer,
            Executor(
                *(api, self.cache, self._observer, self._may_write, self._queue.add),
                on_release=self.metrics.release_written,
            ),
            Recorder(api, self.cache, may_write=self._may_write),
            self._queue,
        )
        api.on_answer, self._queue.on_get = self.metrics.answered, self.metrics.waited
        self.reconciler.on_visit = self.metrics.visited
        self._observer.measurer = Measurer(client, self._queue.add)

    def _readings(self) -> Readings:
        return Readings(
            leads=lambda: self._health.leading and self._may_write(),
            unavailable=lambda: len(self.scopes.unavailable),
            queue_depth=self._queue.depth,
            workers_busy=self._queue.processing,
        )

    def _may_write(self) -> bool:
        return self.election.leads or not self._options.leader_election

    def on_relist(self) -> None:
        """Request a relist: a watch has restarted and does not report deletions in between."""
        if self._health.leading:
            self._relist.set()

    async def lead(self) -> None:
        """Become the leader and reconcile all BookStores; raises when the Lease is lost."""
        if self._options.leader_election:
            await self.election.acquire()
        self._health.leading = True
        async with asyncio.TaskGroup() as group:
            if self._options.leader_election:
                group.create_task(self._hold())
            group.create_task(self._resync_loop())
            group.create_task(self._permission_check_loop())
            group.create_task(self._secret_loop())
            await self.list_all()  # a standby's cache may be behind
            await self._check_crds()
            self._relist.set()  # and once more when all watches run: earlier deletions are missed
            self._enqueue_all()
            for _ in range(self._options.workers):
                group.create_task(self.reconciler.work())

    async def watch(
        self, configuration: Configuration, scope: str | None, on_start: Callable[[], None]
    ) -> None:
        """Watch a namespace, or all; while the operator may not, wait until it may again.

        `on_start` is called whenever kopf has started.

        Raises:
            OperatorEndedError: the watches ended, for another reason.
            ClusterError: no namespace is left that the operator may watch.

        """
        listener = Listener(self.cache, self.reconciler.enqueue, self.on_relist, on_start=on_start)
        while True:
            if scope in self.scopes.unavailable:
                self._enqueue_all()
            while scope in self.scopes.unavailable:
                await asyncio.sleep(_UNAVAILABLE_POLL_SECONDS)
                await self._retry_scope(scope)
            watching = asyncio.create_task(watch(configuration, listener, scope))
            try:
                await self._until_lost(watching, scope)
            finally:
                watching.cancel()
                await asyncio.wait({watching}, timeout=_STOP_SECONDS)

    async def _until_lost(self, watching: asyncio.Task[NoReturn], scope: str | None) -> None:
        """Wait until a namespace is unavailable; raises as `watch` does."""
        while scope not in self.scopes.unavailable:
            await asyncio.wait({watching}, timeout=_UNAVAILABLE_POLL_SECONDS)
            if not watching.done():
                continue
            with suppress(ApiError):
                if not await self._observer.may_watch(scope):
                    return
            message = (
                "The watches failed; without them the operator sees no changes "
                f"({watching.exception()})."
            )
            raise OperatorEndedError(message)

    async def _retry_scope(self, scope: str | None) -> None:
        """List a namespace that was unavailable, and reconcile its BookStores if it is not."""
        try:
            if not await self._observer.may_watch(scope):
                return
            await self._observer.relist_scope(scope)
        except ApiError as error:
            logger.debug("Could not list %s: %s", scope, error.message)
            return
        self._enqueue_all()

    def _enqueue_all(self) -> None:
        """Reconcile all BookStores, for what all of them report."""
        for key in self.cache.stores():
            self.reconciler.enqueue(key)

    async def list_all(self) -> None:
        """List all objects into the cache, with retries for two minutes.

        Raises:
            ClusterError: the lists can't succeed; the message says what to do.
            OperatorEndedError: the API server did not answer for two minutes.

        """
        last = ""
        for delay in _FIRST_LIST_DELAYS:
            try:
                await self._observer.relist()
            except ApiError as error:
                last = error.message
                logger.warning("%s Retrying in %d s.", last, delay)
                await asyncio.sleep(delay)
            else:
                self.metrics.listed(0)  # what is new from the beginning is no news
                return
        message = f"The API server answered no list request for two minutes: {last}"
        raise OperatorEndedError(message)

    async def _hold(self) -> None:
        await self.election.hold()
        message = "The Lease was lost: another replica may lead now."
        raise OperatorEndedError(message)

    async def _permission_check_loop(self) -> None:
        """Check what the operator may do, and every minute the CRDs: watches do not tell."""
        for count in itertools.count():
            lacking = self.scopes.lacks_any
            await asyncio.sleep(_MISSING_CHECK_SECONDS if lacking else _PERMISSION_CHECK_SECONDS)
            try:
                if await self._observer.check_permissions():
                    self._enqueue_all()
            except ApiError as error:
                logger.warning("Could not check the operator's permissions: %s", error.message)
            if count % _CHECKS_PER_CRD_CHECK == 0:
                await self._check_crds()

    async def _check_crds(self) -> None:
        """Compare the installed CRDs with this operator's; all BookStores report a difference."""
        try:
            if await self._observer.check_crds():
                self._enqueue_all()
        except ApiError as error:
            logger.info("Could not read the schemas of the CRDs: %s", error.message)
        except Exception:  # the document is made by others: it ends nothing
            logger.exception("Could not compare the schemas of the CRDs")

    async def _secret_loop(self) -> None:
        """Look for changed Secrets, which are not watched: that needs the right to list them.

        The Secrets of each BookStore are read every 10 s, or less often if there are many.
        """
        while True:
            stores = self.cache.stores()
            pause = max(_SECRET_ROUND_SECONDS / max(len(stores), 1), _SECRET_SPACING)
            for key in stores:
                await asyncio.sleep(pause)
                if await self._observer.secrets.have_changed(key):
                    self.reconciler.enqueue(key)
            if not stores:
                await asyncio.sleep(_SECRET_ROUND_SECONDS)

    async def _resync_loop(self) -> None:
        """Relist all objects every ten minutes, and soon after a watch has restarted."""
        while True:
            await asyncio.sleep(_RELIST_SPACING)
            with suppress(TimeoutError):
                async with asyncio.timeout(RESYNC_SECONDS - _RELIST_SPACING):
                    await self._relist.wait()
            self._relist.clear()
            try:
                changed = await self._observer.relist()
                self.metrics.listed(len(changed))
                for key in changed:
                    self.reconciler.enqueue(key)
            except ApiError as error:
                logger.warning("Could not relist all objects: %s", error.message)
                self._relist.set()
