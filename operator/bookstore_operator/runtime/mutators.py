"""Find the mutating webhooks that may have changed what the operator applies.

The right to list their configurations is optional: without it the operator names none.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from bookstore_operator.core.kinds import MUTATING_WEBHOOKS, resource_of
from bookstore_operator.core.managers import A_WEBHOOK, added_to_pods
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.webhooks import mutators_of
from bookstore_operator.kube.client import Api, ApiError

logger = logging.getLogger(__name__)

KEEP_SECONDS = 60.0


class Mutators:
    """The configurations of mutating webhooks, listed when an object was changed by one."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._listed: Sequence[Manifest] = ()
        self._listed_at: float | None = None

    async def of(
        self,
        namespace: str,
        objects: Mapping[ObjectRef, Manifest],
        overridden: Mapping[ObjectRef, frozenset[str]],
    ) -> Mapping[ObjectRef, tuple[str, ...]]:
        """Return the webhooks that may have changed objects, of those that one has changed."""
        changed = [key for key in objects if key in overridden or _has_additions(objects[key])]
        if not changed:
            return {}
        configurations = await self._configurations()
        found = {
            key: mutators_of(
                configurations, resource_of(key.api_version, key.kind), namespace, objects[key]
            )
            for key in changed
        }
        return {key: names for key, names in found.items() if names}

    async def _configurations(self) -> Sequence[Manifest]:
        """Return the configurations, at most a minute old; none if they can't be listed."""
        now = self._clock()
        if self._listed_at is None or now - self._listed_at >= KEEP_SECONDS:
            self._listed_at = now
            try:
                self._listed = (await self._api.all(MUTATING_WEBHOOKS)).get("items") or ()
            except ApiError as error:
                self._listed = ()
                logger.debug("Could not list the mutating webhooks: %s", error.message)
        return self._listed


def _has_additions(manifest: Manifest) -> bool:
    return A_WEBHOOK in added_to_pods(manifest).values()
