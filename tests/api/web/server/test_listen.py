"""Which addresses the server listens on."""

import socket

import pytest

from bookstore_api.web.server.listen import listen

pytestmark = pytest.mark.api


def answers(listener: socket.socket, host: str) -> bool:
    """Whether a connection to this address reaches the listener."""
    try:
        with socket.create_connection((host, listener.getsockname()[1]), timeout=5):
            listener.accept()[0].close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_everywhere_is_both_families() -> None:
    with listen("::", 0, 5) as listener:
        assert answers(listener, "127.0.0.1")
        assert answers(listener, "::1")


def test_everywhere_is_ipv4_where_there_is_no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listen("::", 0, 5) as listener:
        assert listener.family is socket.AF_INET
        assert answers(listener, "127.0.0.1")


def test_one_family_can_be_chosen() -> None:
    with listen("0.0.0.0", 0, 5) as listener:  # noqa: S104 - the input of the test
        assert answers(listener, "127.0.0.1")
        assert not answers(listener, "::1")


def test_a_port_that_is_taken_is_an_error() -> None:
    with listen("::", 0, 5) as listener, pytest.raises(OSError, match="in use"):
        listen("::", listener.getsockname()[1], 5)
