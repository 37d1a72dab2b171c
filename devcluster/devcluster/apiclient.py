"""The few requests to an API server that this tool makes itself."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_TIMEOUT_SECONDS = 10.0


class ApiError(Exception):
    """A request failed: `status` is the HTTP status, None where nothing answered."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ApiClient:
    """Requests with a bearer token to the API server at `server`."""

    def __init__(self, server: str, token: str, certificate: Path) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._certificate = certificate

    def get(self, path: str) -> str:
        """Return the text at a path. Raises ApiError."""
        return self._request("GET", path)

    def find(self, path: str) -> dict[str, Any] | None:
        """Return the object at a path, None if there is none. Raises ApiError."""
        try:
            return dict(json.loads(self._request("GET", path)))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def post(self, path: str, content: dict[str, Any]) -> None:
        """Create an object; one that exists stays as it is. Raises ApiError."""
        try:
            self._request("POST", path, json.dumps(content).encode())
        except ApiError as error:
            if error.status != 409:
                raise

    def _request(self, method: str, path: str, data: bytes | None = None) -> str:
        request = urllib.request.Request(  # noqa: S310  # https, by its constructor
            f"{self._server}{path}", method=method, data=data, headers=self._headers
        )
        try:
            # The certificate is there once the server has made it. No proxy: it is on this machine.
            trusted = ssl.create_default_context(cafile=str(self._certificate))
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
            )
            with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace")[:500]
            raise ApiError(f"{method} {path}: {error.code} {detail}", error.code) from error
        except OSError as error:
            raise ApiError(f"{method} {path}: {error}") from error
