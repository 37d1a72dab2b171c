"""URIs of Redis: all that they say, and nothing shown of a wrong one."""

import pytest

from bookstore_api.uris.redis import parse_redis_uri

SECRET = "hunter2-canary"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "redis://",
        f"http://:{SECRET}@host",
        f"redis://:{SECRET}@host:{SECRET}/0",
        f"redis://:{SECRET}@host:99999/0",
        f"redis://:{SECRET}@host/{SECRET}",
        f"redis://:{SECRET}@host/-1",
        f"redis://:{SECRET}@host/0?socket_timeout=60",
        f"redis://:{SECRET}@host/0?{SECRET}=1",
        f"redis://:{SECRET}[@host/0",
        f"redis://:{SECRET}%zz@host/0",
        f"redis://:{SECRET}#@host/0",
        f"redis://:{SECRET}@host/0#1",
        f"redis://:{SECRET}@host:0/0",
        f"redis://:{SECRET}@host/1_0",
        f"redis://:{SECRET}@host/0/1",
        f"redis://:{SECRET}@a,b/0",
        f"redis://:{SECRET}@host/0?db=1&db=2",
        f"redis://:{SECRET}@host/0?ssl_ca_certs=/ca.pem",
        f"rediss://:{SECRET}@host/0?ssl_cert_reqs=maybe",
        f"rediss://:{SECRET}@host/0?ssl_check_hostname=maybe",
    ],
)
def test_a_wrong_uri_is_rejected_without_being_shown(uri: str) -> None:
    with pytest.raises(ValueError, match="URI") as caught:
        parse_redis_uri(uri)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        f"redis+sentinel://:{SECRET}@host:26379/primary",
        f"rediss+sentinel://:{SECRET}@host:26379/primary",
        f"redis-sentinel://:{SECRET}@a:26379,b:26379/primary",
        f"redis://:{SECRET}@a:6379,b:6379/0",
        f"redis+cluster://:{SECRET}@host/0",
    ],
)
def test_what_is_no_single_server_is_reported(uri: str) -> None:
    with pytest.raises(ValueError, match="address of one primary") as caught:
        parse_redis_uri(uri)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("scheme", "tls"), [("valkey", False), ("valkeys", True)])
def test_the_schemes_of_valkey_are_those_of_redis(scheme: str, tls: bool) -> None:
    assert parse_redis_uri(f"{scheme}://host").tls is tls


def test_a_uri_says_it_all() -> None:
    server = parse_redis_uri("rediss://user:p%40ss@host:7000/3?ssl_ca_certs=/ca.pem\n")
    assert (server.host, server.port, server.database, server.tls) == ("host", 7000, 3, True)
    assert (server.username, server.password) == ("user", "p@ss")
    assert server.tls_arguments == {"ssl_ca_certs": "/ca.pem"}
    assert "p@ss" not in repr(server)
    assert parse_redis_uri("redis://host").port == 6379
