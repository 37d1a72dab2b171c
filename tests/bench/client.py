"""What the benchmark asks of the API server, with an administrator's rights."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp

from devcluster import controlplane

Object = dict[str, Any]
CONCURRENT_REQUESTS = 16
_LONGEST_LINE = 4 * 1024 * 1024


class Api:
    """The API server. Raises aiohttp.ClientError."""

    def __init__(self, server: str, token: str, certificate: str) -> None:
        self._arguments = (server, token, certificate)
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)

    @classmethod
    def of(cls, plane: controlplane.ControlPlane) -> Self:
        """Return the API server of a control plane."""
        return cls(plane.server, plane.token, str(plane.folder / "pki" / "apiserver.crt"))

    async def __aenter__(self) -> Self:
        server, token, certificate = self._arguments
        self._session = aiohttp.ClientSession(
            server,
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certificate)),
            headers={"Authorization": f"Bearer {token}"},
            read_bufsize=_LONGEST_LINE,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            raise_for_status=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def post(self, path: str, manifest: Object) -> None:
        """Create an object."""
        await self._send("POST", path, manifest, "application/json")

    async def patch(self, path: str, patch: Object) -> None:
        """Merge a patch into an object."""
        await self._send("PATCH", path, patch, "application/merge-patch+json")

    async def list(self, path: str) -> Object:
        """List a collection."""
        async with self._session.get(path) as answer:
            listed: Object = await answer.json()
        return listed

    async def events(self, path: str, version: str) -> AsyncIterator[Object]:
        """Yield the events of a watch until the API server ends it."""
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "3600"}
        async with self._session.get(path, params=query) as answer:
            async for line in answer.content:
                yield json.loads(line)

    async def _send(self, method: str, path: str, body: Object, kind: str) -> None:
        headers = {"Content-Type": kind}
        async with (
            self._slots,
            self._session.request(method, path, data=json.dumps(body), headers=headers) as answer,
        ):
            await answer.read()


class Watched:
    """The newest known state of a collection's objects, by name."""

    def __init__(self, api: Api, path: str) -> None:
        self._api, self._path = api, path
        self.objects: dict[str, Object] = {}
        self._waiting: dict[str, list[asyncio.Event]] = {}
        self.changed = asyncio.Event()

    async def until(self, name: str, holds: Callable[[Object], bool]) -> Object:
        """Wait until an object is like this, and return it."""
        while not holds(self.objects.get(name, {})):
            event = asyncio.Event()
            self._waiting.setdefault(name, []).append(event)
            await event.wait()
        return self.objects[name]

    async def follow(self) -> None:
        """Follow the collection for ever: list, then watch; again when the watch ends.

        The API server ends a watch whose client reads too slowly.
        """
        while True:
            listed = await self._api.list(self._path)
            for item in listed["items"]:
                self._put(item)
            async for event in self._api.events(self._path, listed["metadata"]["resourceVersion"]):
                if event["type"] == "DELETED":
                    self.objects.pop(event["object"]["metadata"]["name"], None)
                elif event["type"] != "ERROR":
                    self._put(event["object"])

    def _put(self, item: Object) -> None:
        name = item["metadata"]["name"]
        self.objects[name] = item
        for event in self._waiting.pop(name, ()):
            event.set()
        self.changed.set()


@asynccontextmanager
async def watched(api: Api, *paths: str) -> AsyncIterator[list[Watched]]:
    """Yield collections that are followed in the block, which ends if one of them can't be."""
    collections = [Watched(api, path) for path in paths]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(collection.follow()) for collection in collections]
        yield collections
        for task in tasks:
            task.cancel()
