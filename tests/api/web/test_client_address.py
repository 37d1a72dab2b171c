"""Whose request it is, past proxies, whatever the client claims."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.web.client_address import ClientAddresses, parse_address, rate_limit_key

PROXIES = ("10.0.0.0/8", "192.0.2.7/32", "2001:db8:ffff::/48")


def client_of(peer: str | None, *forwarded: str | bytes, trusted: tuple[str, ...] = PROXIES) -> str:
    headers = [
        (b"x-forwarded-for", value if isinstance(value, bytes) else value.encode())
        for value in forwarded
    ]
    networks = [ip_network(network) for network in trusted]
    scope = {"type": "http", "client": peer and (peer, 1234), "headers": headers}
    return ClientAddresses(networks).of(scope)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),  # not from a proxy: a claim
        ("10.1.2.3", (), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.1",), "198.51.100.1"),
        ("10.1.2.3", ("1.1.1.1, 198.51.100.1",), "198.51.100.1"),
        ("10.1.2.3", ("1.1.1.1, 198.51.100.1, 192.0.2.7",), "198.51.100.1"),
        ("10.1.2.3", ("1.1.1.1", "198.51.100.1 ,\t192.0.2.7"), "198.51.100.1"),  # one list
        ("10.1.2.3", ("10.9.9.9, 192.0.2.7",), "10.9.9.9"),  # from within
        ("10.1.2.3", ("198.51.100.1:4711",), "198.51.100.1"),
        ("10.1.2.3", ("[2001:db8::5]:4711",), "2001:db8::5"),
        ("10.1.2.3", ('"[2001:db8::5]"',), "2001:db8::5"),
        ("10.1.2.3", ("2001:DB8:0::5, 2001:db8:ffff::1",), "2001:db8::5"),
        ("::ffff:10.1.2.3", ("::ffff:198.51.100.1",), "198.51.100.1"),
        ("2001:db8:ffff::1", ("198.51.100.1",), "198.51.100.1"),
        ("10.1.2.3", ("198.51.100.1, unknown",), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.1, 10.4.4.4, _hidden, 10.5.5.5",), "10.5.5.5"),
        ("10.1.2.3", ("",), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.1,",), "10.1.2.3"),
        ("10.1.2.3", ("fe80::1%eth0",), "10.1.2.3"),
        ("10.1.2.3", (b"\xff\xfe\x00",), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.999",), "10.1.2.3"),
        (None, ("198.51.100.1",), ""),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(
    peer: str | None, forwarded: tuple[str, ...], client: str
) -> None:
    assert client_of(peer, *forwarded) == client


def test_nobody_is_believed_where_no_proxy_is_trusted() -> None:
    assert client_of("10.1.2.3", "198.51.100.1", trusted=()) == "10.1.2.3"


@given(invented=st.lists(st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b""))))
def test_a_client_can_not_change_what_the_proxy_says_of_it(invented: list[bytes]) -> None:
    seen = b", ".join([*invented, b"198.51.100.1"])
    assert client_of("10.1.2.3", seen) == "198.51.100.1"


@given(text=st.text())
def test_whatever_is_claimed_an_address_comes_out(text: str) -> None:
    client = client_of("10.1.2.3", text.encode("utf-8", "surrogatepass"))
    assert str(ip_address(client)) == client


@given(address=st.ip_addresses())
def test_an_address_is_found_in_every_form(address: object) -> None:
    plain = parse_address(str(address))
    assert plain is not None
    bare = f"[{address}]" if ":" in str(address) else str(address)
    assert parse_address(f" {bare}:80 ") == parse_address(f'"{bare}"') == plain


def test_an_endless_list_is_read_from_its_right_end_only() -> None:
    assert client_of("10.1.2.3", ",".join(["10.0.0.1"] * 100_000)) == "10.0.0.1"


def test_limits_count_a_network_of_ipv6_as_one() -> None:
    assert rate_limit_key("2001:db8::1") == rate_limit_key("2001:db8::ffff") == "2001:db8::/64"
    assert rate_limit_key("2001:db8:0:1::1") != rate_limit_key("2001:db8::1")
    assert rate_limit_key("198.51.100.1") == "198.51.100.1"
    assert rate_limit_key("") == ""
