"""Redis behind TLS: what is trusted, and what is said of the rest."""

import asyncio
from functools import partial
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bookstore_api.cache.client import RedisClient, RedisUnavailableError
from bookstore_api.cache.counters import Counters
from tests.support.certificates import Authority
from tests.support.tls_front import TlsFront, running_tls_front
from tests.support.valkey import Valkey


def outcome(valkey: Valkey, front: TlsFront, scheme: str = "rediss", **parameters: object) -> str:
    """Count through a front: `ok`, or the code and message of the failure."""
    query = urlencode({name: str(value) for name, value in parameters.items()})
    uri = f"{scheme}://:{valkey.password}@127.0.0.1:{front.port}/0?{query}"

    async def count() -> str:
        client = RedisClient(lambda: uri, timeout_seconds=5)
        try:
            await Counters(client).check()
        except RedisUnavailableError as error:
            return f"{error.code}: {error}"
        finally:
            await client.close()
        return "ok"

    return asyncio.run(count())


def test_what_is_wrong_with_a_certificate_is_distinguished(valkey: Valkey, tmp_path: Path) -> None:
    trusted, other = Authority(tmp_path, "trusted"), Authority(tmp_path, "other")
    start = partial(running_tls_front, urlsplit(valkey.url).port or 0, at_once=True)
    try_ = partial(outcome, valkey)
    with start(trusted.issue("127.0.0.1")) as front:
        assert try_(front, ssl_ca_certs=trusted.file) == "ok"
        assert "certificate is not trusted" in try_(front, ssl_ca_certs=other.file)
        assert "A file for TLS is not what" in try_(front, ssl_ca_certs=__file__)
        assert "use rediss://" in try_(front, "redis")
    with start(trusted.issue("127.0.0.1", expired=True)) as front:
        assert "has expired" in try_(front, ssl_ca_certs=trusted.file)
    with start(trusted.issue("elsewhere.test")) as front:
        assert "is for another host" in try_(front, ssl_ca_certs=trusted.file)


def test_a_certificate_of_ours_is_shown_where_one_is_wanted(valkey: Valkey, tmp_path: Path) -> None:
    trusted, other = Authority(tmp_path, "trusted"), Authority(tmp_path, "other")
    ours, unknown = trusted.issue("api.test"), other.issue("api.test")
    with running_tls_front(
        urlsplit(valkey.url).port or 0,
        trusted.issue("127.0.0.1"),
        client_authority=trusted.file,
        at_once=True,
    ) as front:
        try_ = partial(outcome, valkey, front, ssl_ca_certs=trusted.file)
        assert try_(ssl_certfile=ours.file, ssl_keyfile=ours.key) == "ok"
        rejected = try_(), try_(ssl_certfile=unknown.file, ssl_keyfile=unknown.key)
        for reason in rejected:
            assert reason.startswith("authentication-failed: Redis does not trust our")
        assert "A file for TLS" in try_(ssl_certfile=ours.file, ssl_keyfile=unknown.key)
