"""What others change in objects while the API server stores what the operator applies.

A mutating webhook or policy can rewrite an object within the write, such as an image to that of a
mirror. To apply it again has no effect: the difference is remembered, tolerated and reported. It is
forgotten after a while, so that one more write shows whether it is still so.
"""

import time
from collections.abc import Callable, Iterable, Mapping

from bookstore_operator.core.plan import ObjectRef

KEEP_SECONDS = 600.0


class Overrides:
    """The differences that remained when an object was last applied, by namespace and object."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[tuple[str, ObjectRef], tuple[float, frozenset[str]]] = {}

    def remember(self, namespace: str, key: ObjectRef, differences: frozenset[str]) -> bool:
        """Store what remained of an object's differences; True if that is new."""
        before = self._left.pop((namespace, key), (0.0, frozenset[str]()))[1]
        if differences:
            self._left[namespace, key] = self._clock(), differences
        return differences != before

    def of(self, namespace: str, keys: Iterable[ObjectRef]) -> Mapping[ObjectRef, frozenset[str]]:
        """Return the differences of objects that are not too old."""
        oldest = self._clock() - KEEP_SECONDS
        self._left = {at: entry for at, entry in self._left.items() if entry[0] > oldest}
        return {
            key: self._left[namespace, key][1] for key in keys if (namespace, key) in self._left
        }
