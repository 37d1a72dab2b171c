"""The breaker: who may ask after a failure."""

from bookstore_api.cache.breaker import Breaker


def test_the_breaker_lets_one_caller_ask_when_its_time_is_over() -> None:
    now = 100.0
    breaker = Breaker(1, clock=lambda: now)
    assert breaker.admits()
    breaker.failed()
    now = 100.9
    assert not breaker.admits()
    now = 101.0
    assert breaker.admits()
    assert not breaker.admits()
    breaker.failed()
    now = 101.9
    assert not breaker.admits()
    now = 102.0
    assert breaker.admits()
    breaker.gave_up()
    assert breaker.admits()
    breaker.succeeded()
    assert [breaker.admits() for _ in range(3)] == [True] * 3
