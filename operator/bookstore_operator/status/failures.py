"""What a BookStore reports when it can't be read, or others change its objects."""

from datetime import datetime

from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secrets import SECRET_POLL
from bookstore_operator.core.snapshot import Blocker, Contest


def blocked(blocker: Blocker, now: datetime) -> Waiting:
    """Return what a BookStore waits for whose next step is unknown."""
    until = now + SECRET_POLL if blocker.hides_secrets else None
    return Waiting(blocker.reason, blocker.message, until, stalled=True)


def contested(contests: tuple[Contest, ...]) -> Waiting:
    """Return what a BookStore waits for while others change its objects again and again."""
    texts = " ".join(contest.message for contest in contests)
    advice = "Let only one of them manage the object. Until then the operator changes it rarely."
    until = min((contest.until for contest in contests if contest.until), default=None)
    return Waiting(Reason.CHANGED_BY_OTHERS, f"{texts} {advice}", until, stalled=True)
