"""Classify the failures of a reconciliation: what is logged and reported, and when to retry. Pure.

Every exception has a row here. Nothing that one BookStore or its objects hold may end the process,
or keep the operator from the other BookStores.
"""

import logging
from dataclasses import dataclass

from pydantic import ValidationError

from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.kinds import BOOKSTORES
from bookstore_operator.core.plan import ObjectRef
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.rejections import RETRYING, rejected
from bookstore_operator.core.snapshot import Cause, Rejection, invalid_fields
from bookstore_operator.crd.text import fit
from bookstore_operator.kube.client import ApiError
from bookstore_operator.kube.object_cache import StoreKey
from bookstore_operator.runtime.executor import RejectedError, StaleSnapshotError

_AGAIN_SECONDS = 0.05
_TRANSIENT = 3
"""The API server's failures in a row before a BookStore reports them: one may be over at once."""
_STALE = 8
"""As many conflicts in a row take about 10 s."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of one reconciliation."""

    message: str
    """For the log."""
    answer: Waiting
    """What the BookStore reports."""
    rejection: Rejection | None = None
    """What the next Snapshots have; None if there can't be a Snapshot."""
    report_after: int = 1
    """The number of failures in a row from which the BookStore reports it."""
    at_least: float = 0.0
    """The shortest delay until the next visit, in seconds."""
    first: float | None = None
    """The first delay, in seconds, where the default is too long."""
    level: int = logging.WARNING
    unexpected: bool = False
    """A mistake in the operator: the log has the traceback."""


def failure_of(error: Exception, key: StoreKey) -> Failure:
    """Return what an exception of a reconciliation means."""
    match error:
        case RejectedError(rejection=rejection):
            return _rejected(rejection, error.retry_after or 0.0)
        case StaleSnapshotError():
            conflict = Rejection(_target(key), "Conflict", fit(str(error)), Cause.FAILED)
            return Failure(
                f"Looking again: {error}",
                rejected(conflict),
                conflict,
                report_after=_STALE,
                first=_AGAIN_SECONDS,
                level=logging.DEBUG,
            )
        case ApiError():
            failed = Rejection(_target(key), error.reason, error.message, Cause.FAILED)
            return _rejected(failed, error.retry_after or 0.0)
        case TimeoutError():
            late = "The reconciliation took too long and was canceled."
            failed = Rejection(_target(key), "Timeout", late, Cause.FAILED)
            return _rejected(failed)
        case ValidationError() if error.title == BOOKSTORES.kind:
            return _invalid_spec(error)
        case _:
            text = fit(f"{type(error).__name__}: {error}", 500)
            internal = Rejection(_target(key), "InternalError", text, Cause.INTERNAL)
            message = "Unhandled exception while reconciling."
            return Failure(message, rejected(internal), internal, unexpected=True)


def _target(key: StoreKey) -> ObjectRef:
    return BOOKSTORES.ref(key.name)


def _rejected(rejection: Rejection, at_least: float = 0.0) -> Failure:
    answer = rejected(rejection)
    passes = answer.reason is Reason.API_SERVER_ERROR
    return Failure(
        f"{rejection.target.kind} {rejection.target.name}: {rejection.message}",
        answer,
        rejection,
        report_after=_TRANSIENT if passes else 1,
        at_least=at_least,
    )


def _invalid_spec(error: ValidationError) -> Failure:
    message = (
        f"This operator can't read the BookStore: {invalid_fields(error)}. Correct the field; if a "
        "newer CRD allows its value, install the operator of that version. Until then nothing of "
        "the BookStore is changed."
    )
    return Failure(message, Waiting(Reason.SPEC_INVALID, f"{message} {RETRYING}", stalled=True))
