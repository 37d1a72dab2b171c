"""Ids of what is stored."""

import re
import time

from bookstore_api.kit.ids import new_id


def test_new_ids_are_uuids_of_version_7_in_order_of_time() -> None:
    before = time.time_ns() // 1_000_000
    id_ = new_id()
    after = time.time_ns() // 1_000_000
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", str(id_)
    )
    assert before <= id_.int >> 80 <= after
    assert len({new_id() for _ in range(1000)}) == 1000


def test_what_one_process_makes_one_after_the_other_has_that_order() -> None:
    ids = []
    for _ in range(100):
        ids.append(new_id())
        after = time.time_ns() + 1_000
        while time.time_ns() < after:
            """As long as no clock is needed to tell two writes apart."""
    assert ids == sorted(ids)
