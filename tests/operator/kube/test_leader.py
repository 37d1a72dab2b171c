"""Who may take the Lease."""

import asyncio
import time
from typing import Any, cast

import pytest

from bookstore_operator.kube.leader import LeaderElection, Sighting, Timing, may_take

pytestmark = pytest.mark.scenario


def lease(holder: str | None) -> dict[str, Any]:
    return {"spec": {"holderIdentity": holder, "leaseDurationSeconds": 15}}


@pytest.mark.parametrize(
    ("holder", "seen_for", "expected"),
    [
        ("me", 0.0, True),
        ("", 0.0, True),
        (None, 0.0, True),
        ("other", 0.0, False),
        ("other", 15.0, False),
        ("other", 15.1, True),
    ],
)
def test_a_lease_may_be_taken_when_held_free_or_expired(
    holder: str | None, seen_for: float, expected: bool
) -> None:
    assert may_take(lease(holder), "me", Sighting("7", 100.0), 100.0 + seen_for) is expected


@pytest.mark.parametrize(
    ("duration", "held_for"),
    [(None, 15.0), (0, 15.0), (1, 15.0), (40, 40.0), (2_000_000_000, 60.0)],
)
def test_a_duration_that_somebody_has_edited_makes_no_second_leader_and_no_endless_wait(
    duration: int | None, held_for: float
) -> None:
    edited = {"spec": {"holderIdentity": "other", "leaseDurationSeconds": duration}}
    assert not may_take(edited, "me", Sighting("7", 100.0), 100.0 + held_for)
    assert may_take(edited, "me", Sighting("7", 100.0), 100.1 + held_for)


def test_a_leader_that_was_frozen_too_long_no_longer_leads() -> None:
    """By the clock alone: nobody could tell a process that was frozen what has happened."""
    timing = Timing(lease=0.3, renew_deadline=0.2, retry=0.02)

    async def scenario() -> None:
        election = LeaderElection(cast("Any", LeaseServer()), "shop", "lease", "me", timing)

        def leads() -> bool:
            return election.leads

        assert not leads()
        await election.acquire()
        assert leads()
        holding = asyncio.create_task(election.hold())
        await asyncio.wait({holding}, timeout=0.3)
        assert leads(), "renewed"
        time.sleep(0.25)  # noqa: ASYNC251 - the whole process is frozen
        assert not leads()
        await asyncio.wait_for(holding, 1)
        assert not leads(), "it did not take the Lease again"

    asyncio.run(scenario())


class LeaseServer:
    """An API server with one Lease."""

    lease: dict[str, Any] | None = None

    async def find(self, *_: object) -> dict[str, Any] | None:
        return self.lease

    async def create(self, _: object, lease: dict[str, Any], __: str) -> dict[str, Any]:
        self.lease = {**lease, "metadata": {**lease["metadata"], "resourceVersion": "1"}}
        return self.lease

    async def replace(self, resource: object, lease: dict[str, Any], name: str) -> dict[str, Any]:
        return await self.create(resource, lease, name)
