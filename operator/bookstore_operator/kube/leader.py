"""Leader election with a Lease; standbys watch and take over.

The official client's election is not used: its requests have no timeout (a hung one could outlive
the Lease), it compares wall clocks, it does not release the Lease on exit, and a network error ends
a standby.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bookstore_operator.core.kinds import LEASES
from bookstore_operator.core.plan import Manifest
from bookstore_operator.kube.client import Api, ApiError

logger = logging.getLogger(__name__)

_SOON = 0.1
_LONGEST_LEASE = 60.0
"""A holder of another version may have a longer lease than this one's, but no person's typing error
keeps the standbys waiting for ever."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times in seconds, as in client-go's LeaderElectionConfig.

    Another replica may take the Lease `lease` after the last renewal; the leader stops to write
    `renew_deadline` after it, which is earlier.
    """

    lease: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """The last observed version of the Lease, and when it was first seen, by the local clock."""

    version: str
    at: float


class LeaderElection:
    """Holds the Lease, or waits for it."""

    def __init__(
        self, api: Api, namespace: str, name: str, identity: str, timing: Timing | None = None
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._timing = timing or Timing()
        self._seen = Sighting("", 0.0)
        self._free_at = 0.0
        self._holder = ""
        self._held: dict[str, Any] | None = None
        self._renewed = float("-inf")

    async def acquire(self) -> None:
        """Wait until this process holds the Lease."""
        logged_holder = ""
        while not await self._try():
            holder = self._holder
            if holder != logged_holder:
                logger.info("Standing by: %s leads.", holder or "nobody yet")
                logged_holder = holder
            await asyncio.sleep(min(self._timing.retry, max(_SOON, self._free_at - _now())))
        logger.info("Leading as %s.", self._identity)

    @property
    def leads(self) -> bool:
        """Whether this process may write. Must be checked before each write.

        By the clock alone: a process that was frozen can't know what happened in that time.
        """
        return _now() - self._renewed < self._timing.renew_deadline

    async def hold(self) -> None:
        """Renew the Lease until that fails for too long; returns when it is lost.

        A process that was frozen for too long has lost it, even if no other process holds it now:
        another may have held it in between.
        """
        while self.leads:
            await asyncio.sleep(self._timing.retry)
            if not self.leads or not (await self._try() or self._holder == self._identity):
                return

    async def release(self) -> None:
        """Release the Lease, so that a standby need not wait until it expires."""
        held, self._held = self._held, None
        self._renewed = float("-inf")
        if held is None:
            return
        lease = _lease_of(held, "", 1.0, _timestamp())
        try:
            async with asyncio.timeout(2):
                await self._api.replace(LEASES, lease, self._namespace)
        except (ApiError, TimeoutError) as error:
            logger.warning("Could not release the Lease, which expires by itself: %s", error)

    async def _try(self) -> bool:
        """Acquire or renew the Lease once; False if another holds it or the request fails."""
        started = _now()
        try:
            async with asyncio.timeout(self._timing.renew_deadline / 2):
                taken = await self._take_or_renew()
        except (ApiError, TimeoutError) as error:
            logger.log(
                logging.DEBUG if _is_conflict(error) else logging.WARNING,
                "Could not acquire or renew Lease %s: %s",
                self._name,
                error or "timed out",
            )
            return False
        if taken:
            self._renewed = started
        return taken

    async def _take_or_renew(self) -> bool:
        current = await self._api.find(LEASES, self._namespace, self._name)
        if current is None:
            lease = self._new_lease()
            self._held = await self._api.create(LEASES, lease, self._namespace)
            self._holder = self._identity
            return True
        current = {**current, "spec": current.get("spec") or {}}  # a Lease may be made without
        self._holder = str(current["spec"].get("holderIdentity") or "")
        version = current["metadata"]["resourceVersion"]
        if version != self._seen.version:
            self._seen = Sighting(version, _now())
        self._free_at = self._seen.at + _duration(current, self._timing)
        if not may_take(current, self._identity, self._seen, _now(), self._timing):
            return False
        lease = _lease_of(current, self._identity, self._timing.lease, _timestamp())
        self._held = await self._api.replace(LEASES, lease, self._namespace)
        self._holder = self._identity
        return True

    def _new_lease(self) -> Manifest:
        return _lease_of(
            {"metadata": {"name": self._name, "namespace": self._namespace}, "spec": {}},
            self._identity,
            self._timing.lease,
            _timestamp(),
        )


def may_take(
    lease: Manifest, identity: str, seen: Sighting, now: float, timing: Timing | None = None
) -> bool:
    """Whether a Lease is held by this process, free, or unchanged for longer than its duration.

    Measured by the local clock from when a change was seen: clocks of two nodes need not agree.
    """
    holder = lease["spec"].get("holderIdentity") or ""
    return holder in {"", identity} or now - seen.at > _duration(lease, timing or Timing())


def _duration(lease: Manifest, timing: Timing) -> float:
    """Return how long a Lease is held after its last change, whatever others wrote into it."""
    if not lease["spec"].get("holderIdentity"):
        return 0.0
    duration = float(lease["spec"].get("leaseDurationSeconds") or 0)
    return max(timing.lease, min(duration, _LONGEST_LEASE))


def _lease_of(current: Manifest, identity: str, duration: float, now: str) -> dict[str, Any]:
    """Return the Lease after it is acquired, renewed or (with an empty identity) released."""
    spec = current["spec"]
    new_holder = identity != (spec.get("holderIdentity") or "")
    return {
        **LEASES.type_meta,
        "metadata": current["metadata"],
        "spec": {
            **spec,
            "holderIdentity": identity,
            "leaseDurationSeconds": int(duration),
            "acquireTime": now if new_holder else spec.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": int(spec.get("leaseTransitions") or 0)
            + bool(new_holder and identity),
        },
    }


def _is_conflict(error: Exception) -> bool:
    """Whether another process has written the Lease first."""
    return isinstance(error, ApiError) and error.status == 409


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _now() -> float:
    return asyncio.get_running_loop().time()
