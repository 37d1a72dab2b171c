"""Who may take the Lease."""

from __future__ import annotations

from typing import Any

import pytest

from bookstore_operator.leader import Sighting, may_take

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
def test_a_lease_is_taken_when_it_is_ours_free_or_silent_for_long(
    holder: str | None, seen_for: float, expected: bool
) -> None:
    assert may_take(lease(holder), "me", Sighting("7", 100.0), 100.0 + seen_for) is expected
