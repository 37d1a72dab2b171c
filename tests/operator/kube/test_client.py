"""What the client makes of an API server's answers, and of none."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from kubernetes.aio.client import Configuration

from bookstore_operator.core.kinds import BOOKSTORES, resource_of
from bookstore_operator.kube.client import Api, ApiError

pytestmark = pytest.mark.scenario


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """A server that gives the same answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def error_of(host: str) -> ApiError:
    async def ask() -> None:
        async with Api(Configuration(host=host)) as api:
            await api.get(BOOKSTORES, "shop", "demo")

    with pytest.raises(ApiError) as error:
        asyncio.run(ask())
    return error.value


def test_an_error_status_is_parsed() -> None:
    status = {"reason": "Forbidden", "message": "exceeded quota"}
    with answering(403, json.dumps(status).encode()) as host:
        error = error_of(host)
    assert (error.status, error.reason, error.message) == (403, "Forbidden", "exceeded quota")


def test_retry_after_is_parsed() -> None:
    with answering(
        429, b'{"reason": "TooManyRequests", "message": "later"}', Retry_After="7"
    ) as host:
        assert error_of(host).retry_after == 7


def test_retry_after_is_capped() -> None:
    with answering(503, b"{}", Retry_After="86400") as host:
        assert error_of(host).retry_after == 300


def test_an_error_of_a_proxy_keeps_its_text() -> None:
    with answering(502, b"<html>Bad Gateway</html>", Retry_After="soon") as host:
        error = error_of(host)
    assert error.status == 502
    assert "Bad Gateway" in error.message
    assert error.retry_after is None


def test_no_response_is_an_api_error() -> None:
    with answering(200, b"") as host:
        pass
    error = error_of(host)
    assert error.status == 0
    assert "did not answer" in error.message


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (("v1", "Service"), "/api/v1/namespaces/shop/services/demo"),
        (("apps/v1", "Deployment"), "/apis/apps/v1/namespaces/shop/deployments/demo"),
    ],
)
def test_paths_are_those_of_the_api(kind: tuple[str, str], path: str) -> None:
    assert resource_of(*kind).path("shop", "demo") == path


def test_an_unknown_kind_is_a_lookup_error() -> None:
    with pytest.raises(LookupError, match="Role"):
        resource_of("rbac.authorization.k8s.io/v1", "Role")


def read_through(host: str) -> dict[str, object]:
    async def ask() -> dict[str, object]:
        configuration = Configuration(host=host)
        configuration.api_key["BearerToken"] = "Bearer secret"
        async with Api(configuration) as api:
            return await api.get(BOOKSTORES, "shop", "demo")

    return asyncio.run(ask())


def test_a_netrc_entry_for_the_host_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with answering(200, b'{"kind": "BookStore"}') as host:
        assert read_through(host) == {"kind": "BookStore"}


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with answering(200, b'{"kind": "BookStore"}') as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        assert read_through("http://api.example:6443") == {"kind": "BookStore"}


@pytest.mark.parametrize("hosts", ["127.0.0.1", ".svc,127.0.0.0/8", "fd00::/8, 127.0.0.1/32"])
def test_no_proxy_is_respected(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    """A network, too, as of the Services: other Kubernetes clients respect it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", hosts)
    with answering(200, b'{"kind": "BookStore"}') as host:
        assert read_through(host) == {"kind": "BookStore"}
