"""Read the Secrets of BookStores: no more often than needed, because each is a request.

Secrets are not watched, which needs the right to list them. What was read of them is used again
for ten seconds if all are valid. Before a step that mounts them, or can't be undone, they are read
live.
"""

import logging
import math
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from bookstore_operator.core.kinds import SECRETS
from bookstore_operator.core.secrets import Secrets, UsedKeys, describe_secrets
from bookstore_operator.kube.client import Api, ApiError
from bookstore_operator.kube.object_cache import StoreKey

logger = logging.getLogger(__name__)

FRESH_SECONDS = 10.0
"""Changes are looked for so often anyway."""


class _Reading(NamedTuple):
    """The Secrets of a BookStore when they were read last."""

    secrets: Secrets
    used: UsedKeys
    at: float


class SecretReader:
    """Reads the Secrets of BookStores. Methods raise ApiError."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._readings: dict[StoreKey, _Reading] = {}
        self._reused: dict[StoreKey, Secrets] = {}
        """What the last Snapshot of a BookStore has, if it was read before."""

    async def read(self, key: StoreKey, used: UsedKeys) -> Secrets:
        """Return what a Snapshot has of the existing Secrets: what was read last, if it is new."""
        known, now = self._readings.get(key), self._clock()
        is_fresh = known is not None and known.used == used and now < known.at + FRESH_SECONDS
        if known and is_fresh and are_valid(known.secrets, used):
            self._reused[key] = known.secrets
            return known.secrets
        self._reused.pop(key, None)
        self._readings[key] = _Reading(Secrets(), used, -math.inf)  # if this fails
        return await self._take(key, used)

    async def are_current(self, key: StoreKey, oldest: float = 0.0) -> bool:
        """Whether the Secrets are as in the last Snapshot: by live reads, unless it has just read.

        For a step that mounts them, or can't be undone. A reading that is no older than `oldest`
        seconds is believed.
        """
        observed = self._reused.get(key)
        if observed is None:
            return True
        known = self._readings.get(key)
        if known is not None and self._clock() < known.at + oldest:
            return known.secrets == observed
        del self._reused[key]
        return known is not None and await self._take(key, known.used) == observed

    async def have_changed(self, key: StoreKey) -> bool:
        """Whether the Secrets differ from those in the last Snapshot, or may not be read any more.

        Others that can't be read now count as unchanged. Raises nothing.
        """
        known = self._readings.get(key)
        if known is None:
            return False
        try:
            return await self._take(key, known.used) != known.secrets
        except (ApiError, ValueError) as error:
            logger.debug("Could not compare the Secrets of %s: %s", key, error)
            # The next Snapshot reads them, and reports the error if it lasts.
            self._readings[key] = known._replace(at=-math.inf)
            forbidden = isinstance(error, ApiError) and error.status == HTTPStatus.FORBIDDEN
            return forbidden and known.at > -math.inf

    def forget(self, key: StoreKey) -> None:
        """Read the Secrets of a BookStore again for its next Snapshot, because one was written."""
        self._readings.pop(key, None)
        self._reused.pop(key, None)

    async def _take(self, key: StoreKey, used: UsedKeys) -> Secrets:
        at = self._clock()
        secrets = await self._secrets(key, used)
        self._readings[key] = _Reading(secrets, used, at)
        return secrets

    async def _secrets(self, key: StoreKey, used: UsedKeys) -> Secrets:
        found = {name: await self._api.find(SECRETS, key.namespace, name) for name in sorted(used)}
        existing = {name: secret for name, secret in found.items() if secret is not None}
        return describe_secrets(existing, used, key.name)


def are_valid(secrets: Secrets, used: UsedKeys) -> bool:
    """Whether all Secrets exist, and all keys that are used of them are valid."""
    reasons = secrets.reasons
    return reasons.keys() == used.keys() and not any(
        reason for keys in reasons.values() for reason in keys.values()
    )
