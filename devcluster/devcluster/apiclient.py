"""The few requests to an API server that this tool makes itself."""

import functools
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
        self._token = token
        self._certificate = certificate

    def get(self, path: str) -> str:
        """Return the text at a path. Raises ApiError."""
        return self._request("GET", path)

    def find(self, path: str) -> dict[str, Any] | None:
        """Return the object at a path, None if there is none. Raises ApiError."""
        try:
            found = json.loads(self._request("GET", path))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return dict(found)

    def post(self, path: str, content: dict[str, Any]) -> None:
        """Create an object; one that is there already stays. Raises ApiError."""
        try:
            self._request("POST", path, content)
        except ApiError as error:
            if error.status != 409:
                raise

    def _request(self, method: str, path: str, content: dict[str, Any] | None = None) -> str:
        request = urllib.request.Request(  # noqa: S310  # https, by its constructor
            f"{self._server}{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace")[:500]
            raise ApiError(f"{method} {path}: {error.code} {detail}", error.code) from error
        except OSError as error:
            raise ApiError(f"{method} {path}: {error}") from error

    @functools.cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        # No proxy: the server is on this machine.
        trusted = ssl.create_default_context(cafile=str(self._certificate))
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
