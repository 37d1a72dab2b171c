"""One release after another: what is kept of them is bounded."""

from collections import Counter

import pytest

from tests.support.examples import scaled
from tests.support.world import World

pytestmark = [pytest.mark.scenario, pytest.mark.invariant]

RELEASES = min(scaled(25), 300)
HISTORY = 3


def test_what_is_kept_of_many_releases_does_not_grow() -> None:
    world = World(spec={"image": "api:1", "rollout": {"historyLimit": HISTORY}}).settle()
    counts: list[Counter[str]] = []
    for number in range(2, RELEASES + 2):
        world.change(image=f"api:{number}").settle()
        counts.append(Counter(key.kind for key in world.objects))
    assert world.store["status"]["active"]["image"] == f"api:{RELEASES + 1}"
    settled = counts[HISTORY + 1]
    assert all(count == settled for count in counts[HISTORY + 1 :]), counts[-1]
    assert settled["BookStoreRelease"] <= HISTORY + 1
    assert max(len(key.name) for key in world.objects) <= 63
