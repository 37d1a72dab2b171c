"""How long who guesses passwords has to wait, and that the owner has not."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.shop.accounts.backoff import (
    FORGOTTEN_AFTER,
    OF_ACCOUNT,
    OF_NETWORK,
    Attempts,
    keys_of,
    remaining_wait,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NONE = Attempts(0, NOW, None)
many = st.integers(0, 2**63 - 1)


def test_five_failures_are_free_and_then_the_wait_doubles() -> None:
    waits = [remaining_wait(Attempts(n, NOW, None), NONE, NOW).total_seconds() for n in range(17)]
    assert waits == [*[0] * 5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


@given(many)
def test_every_wait_has_an_end(failures: int) -> None:
    row = Attempts(failures, NOW, None)
    assert remaining_wait(row, row, NOW) <= max(OF_NETWORK.longest, OF_ACCOUNT.longest)
    assert not remaining_wait(row, row, NOW + OF_NETWORK.longest)
    assert not remaining_wait(row, row, NOW + FORGOTTEN_AFTER + timedelta(seconds=1))


@given(many)
def test_nobody_keeps_the_owner_out_of_a_network_that_they_signed_in_from(failures: int) -> None:
    home = Attempts(0, NOW, NOW - timedelta(days=29))
    assert not remaining_wait(home, Attempts(failures, NOW, None), NOW)


def test_guessers_from_many_networks_are_slowed_down() -> None:
    assert remaining_wait(NONE, Attempts(100, NOW, None), NOW) == timedelta(seconds=1)
    assert remaining_wait(NONE, Attempts(200, NOW, None), NOW) == timedelta(minutes=1)
    assert not remaining_wait(NONE, Attempts(99, NOW, None), NOW)


@given(st.text(), st.text(), st.text(), st.text())
def test_each_address_and_network_is_counted_by_itself(a: str, b: str, c: str, d: str) -> None:
    if (a, b) != (c, d) and "\0" not in a + b + c + d:
        assert keys_of(a, b).network != keys_of(c, d).network
    assert (keys_of(a, b).account == keys_of(c, d).account) == (a == c)
