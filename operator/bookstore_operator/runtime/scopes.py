"""The watched namespaces: which of them can't be served now, and which rights are missing there."""

import logging
import time
from collections.abc import Callable, Sequence

from bookstore_operator.core.kinds import WATCHED
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Blocker
from bookstore_operator.kube.client import UnavailableError, UnknownKindError
from bookstore_operator.runtime.rights import Right, describe

logger = logging.getLogger(__name__)

KEEP_SECONDS = 60.0
"""How long the objects of an unavailable namespace are kept: its BookStores report why."""
_OBSERVING = frozenset(
    Right(kind.group, kind.plural, verb) for kind in WATCHED for verb in ("list", "watch")
)


class Scopes:
    """The namespaces to watch, or all of them: None."""

    def __init__(
        self,
        namespaces: Sequence[str],
        drop: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.names: Sequence[str | None] = tuple(namespaces) or (None,)
        self.unavailable: dict[str | None, str] = {}
        """Those that the operator may not watch, and why."""
        self.started = False
        """Whether all were listed once: what is forbidden from then on may be allowed again."""
        self._drop = drop
        self._clock = clock
        self._lost_at: dict[str | None, float] = {}
        self._unknown: dict[str | None, bool] = {}
        self._missing: dict[str | None, tuple[Right, ...]] = {}

    def lose(self, scope: str | None, error: UnavailableError) -> None:
        """Record that a namespace is unavailable.

        Raises:
            UnavailableError: none is available, from the beginning.

        """
        if not self.started and {*self.unavailable, scope} >= {*self.names}:
            raise error
        if scope not in self.unavailable:
            self._lost_at[scope] = self._clock()
            logger.error("%s is not served: %s", _text(scope), error)
        elif scope is not None and self._clock() - self._lost_at[scope] > KEEP_SECONDS:
            self._drop(scope)
        self.unavailable[scope] = str(error)
        self._unknown[scope] = isinstance(error, UnknownKindError)

    def regain(self, scope: str | None) -> None:
        """Record that a namespace was listed."""
        if not self.lacks_watching(scope) and self.unavailable.pop(scope, ""):
            logger.info("%s is served again.", _text(scope))

    def record_missing(self, scope: str | None, missing: tuple[Right, ...]) -> bool:
        """Record which rights are missing in a namespace; True if they are others than before."""
        before, self._missing[scope] = self._missing.get(scope, ()), missing
        if missing and missing != before:
            logger.error("%s: %s", _text(scope), describe(missing))
        if before and not missing:
            logger.info("%s: no right is missing any more.", _text(scope))
        return missing != before

    def lacks_watching(self, scope: str | None) -> tuple[Right, ...]:
        """Return the missing rights without which the operator does not see what happens."""
        return tuple(right for right in self._missing.get(scope, ()) if right in _OBSERVING)

    @property
    def lacks_any(self) -> bool:
        """Whether a right is missing anywhere."""
        return bool(self.unavailable) or any(self._missing.values())

    def blocker(self, namespace: str) -> Blocker | None:
        """Return why no release in a namespace may take a step; None if it may."""
        scope = self._scope_of(namespace)
        why = self.unavailable.get(scope)
        if not why:
            return None
        message = f"{why} Until then the operator sees no changes, and no release takes a step."
        if self._unknown[scope]:  # the records were deleted with their CRD
            return Blocker(Reason.CRD_OUTDATED, message, hides_active=True)
        return Blocker(Reason.PERMISSION_MISSING, message)

    def missing_writes(self, namespace: str) -> str:
        """Return which other rights are missing in a namespace, as sentences; empty if none."""
        missing = self._missing.get(self._scope_of(namespace), ())
        others = [right for right in missing if right not in _OBSERVING]
        return describe(others) if others else ""

    def _scope_of(self, namespace: str) -> str | None:
        return namespace if namespace in self.names else None


def _text(scope: str | None) -> str:
    return f"Namespace {scope}" if scope else "The cluster"
