"""Stage Watch: see that users are served as well as before, and send them back if they are not."""

from datetime import datetime, timedelta

from bookstore_operator.components.serving.availability import status_of
from bookstore_operator.components.serving.gate import followed, switched
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.measured import Tally
from bookstore_operator.crd.measured import Watch as Record
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.spec.watch import OnInconclusive
from bookstore_operator.crd.spec.watch import Watch as Limits
from bookstore_operator.crd.text import fit
from bookstore_operator.releases import rollback, tally
from bookstore_operator.releases.limits import breach, describe
from bookstore_operator.releases.observed import Observed, observe
from bookstore_operator.releases.progress import Progress

RECORD_SECONDS = 15.0
"""How often what was counted is recorded: so much is lost of a Pod that ends with the operator."""
LAST_READING = timedelta(minutes=1)
"""How long the last reading is waited for; then what was read before must do."""
APPROVED = " A person has approved the watch (spec.watchApproved)."
PASSED, BREACHED, INCONCLUSIVE = "Passed", "Breached", "Inconclusive"


def watch(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Wait until users reach the release, then measure it for `rollout.watch.seconds`."""
    arrival = _arrival(snapshot, visit)
    if isinstance(arrival, Passed) and release.status.served_at is None:
        snapshot = update_status(snapshot, release, served_at=visit.now)
        release = find_release(snapshot, release.name)
    if not is_watched(snapshot):
        return Progress(snapshot, arrival)
    if release.status.watch and release.status.watch.result in {PASSED, INCONCLUSIVE}:
        return Progress(snapshot, arrival)  # an edited record, or a stage that was entered again
    since = release.status.promoted_at or visit.now
    observed = observe(snapshot, release, since, visit.now)
    recorded = _record(snapshot, release, observed, visit.now)
    problem = _problem(snapshot, observed, release)
    if problem and rollback.warm(snapshot):
        return _send_back(recorded, release, observed, problem, visit)
    answer = _answer(recorded, find_release(recorded, release.name), observed, problem, visit.now)
    if isinstance(answer, Waiting):
        recorded = _say(recorded, release, answer)
        return Progress(recorded, _first(arrival, answer), (), observed.measurements)
    doubt = problem or _doubt(observed, _limits(snapshot).min_requests)
    if doubt and _goes_back_in_doubt(snapshot, release):
        return _send_back(recorded, release, observed, f"The watch is inconclusive: {doubt}", visit)
    concluded = _conclude(recorded, find_release(recorded, release.name), observed, doubt)
    return Progress(concluded, arrival)


def is_watched(snapshot: Snapshot) -> bool:
    """Whether the active release is watched: there must be one to send users back to."""
    return bool(_limits(snapshot).seconds and history.superseded_active(snapshot))


def _arrival(snapshot: Snapshot, visit: Visit) -> Answer:
    for gate in (switched, followed):
        answer = visit.ask(gate, snapshot)
        if not isinstance(answer, Passed):
            return answer
    return Passed()


def _problem(snapshot: Snapshot, observed: Observed, release: BookStoreRelease) -> str | None:
    """Return why users would be better off with the release before; None if they would not."""
    if live_size(snapshot) and not status_of(snapshot, release).get("availableReplicas", 0):
        return "None of its Pods is available."
    return breach(_limits(snapshot), observed.counts, release.status.baseline)


def _answer(
    snapshot: Snapshot,
    release: BookStoreRelease,
    observed: Observed,
    problem: str | None,
    now: datetime,
) -> Passed | Waiting:
    """Return whether the release may stay, or what is waited for."""
    limits = _limits(snapshot)
    served_at = release.status.served_at
    end = served_at + timedelta(seconds=limits.seconds) if served_at else None
    over = end is not None and now >= end
    if problem:
        if over and not history.matches_spec(snapshot, release):
            return Passed()  # the next release may be the one that helps
        return Waiting(
            Reason.LIMITS_EXCEEDED,
            f"{problem} Users can't be sent back, because not all Pods of the release before "
            f"{release.name} are available. Change the BookStore to release something else.",
            stalled=True,
        )
    if not over:
        left = f"until {end:%H:%M:%S}Z" if end else "once they reach it"
        values = describe(observed.counts, limits)
        message = f"Users are sent to {release.name}, which is watched {left}: {values}"
        return Waiting(Reason.WATCHING, f"{message} {observed.problem}".rstrip(), end)
    if observed.pending and not observed.problem and end and now < end + LAST_READING:
        message = f"Reading the metrics of {release.name} for the last time."
        return Waiting(Reason.WATCHING, message, end + LAST_READING)
    return _held(snapshot, release, _doubt(observed, limits.min_requests))


def _held(snapshot: Snapshot, release: BookStoreRelease, doubt: str) -> Passed | Waiting:
    """Return whether a person must decide about a release of which too little is known."""
    holds = _limits(snapshot).on_inconclusive is OnInconclusive.HOLD
    decided = release.spec.watch_approved or not history.matches_spec(snapshot, release)
    if not doubt or not holds or decided:
        return Passed()
    return Waiting(
        Reason.WATCH_INCONCLUSIVE,
        f"The watch of {release.name} is inconclusive: {doubt} To keep the release: "
        f"kubectl bookstore approve {snapshot.store.name} (spec.watchApproved of the "
        f"BookStoreRelease). To go back: kubectl bookstore abort {snapshot.store.name}. More "
        "requests decide, too.",
        stalled=True,
    )


def _say(snapshot: Snapshot, release: BookStoreRelease, answer: Waiting) -> Snapshot:
    """Return the Snapshot in whose record a release that is held says so, and whom it waits for."""
    release = find_release(snapshot, release.name)
    if answer.reason is Reason.WATCH_INCONCLUSIVE:
        return update_status(snapshot, release, reason=answer.reason, message=answer.message)
    if release.status.reason == Reason.WATCH_INCONCLUSIVE:  # enough is known meanwhile
        return _serves(snapshot, release)
    return snapshot


def _serves(snapshot: Snapshot, release: BookStoreRelease, how: str = "") -> Snapshot:
    message = f"Revision {release.spec.revision} serves users.{how}"
    return update_status(snapshot, release, reason="Promoted", message=message)


def _goes_back_in_doubt(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether users are sent back from a release of which too little is known."""
    asked = _limits(snapshot).on_inconclusive is OnInconclusive.ROLL_BACK
    wanted = history.matches_spec(snapshot, release) and not release.spec.watch_approved
    return asked and wanted and rollback.warm(snapshot) is not None


def _doubt(observed: Observed, min_requests: int) -> str:
    """Return why nothing can be said of the release; empty if it can."""
    if observed.problem:
        return observed.problem
    if observed.counts.requests < min_requests:
        return (
            f"{observed.counts.requests} requests are fewer than spec.rollout.watch.minRequests, "
            f"{min_requests}."
        )
    return ""


def _first(arrival: Answer, answer: Waiting) -> Answer:
    """Return what is reported: why users do not reach the release, before what they meet there."""
    return answer if isinstance(arrival, Passed) or answer.stalled else arrival


def _send_back(
    snapshot: Snapshot, release: BookStoreRelease, observed: Observed, why: str, visit: Visit
) -> Progress:
    """Send users back; the record has the measured values and the limit before that is done."""
    message = f"{why} Measured: {describe(observed.counts, _limits(snapshot))}"
    snapshot = _write(snapshot, release, observed, BREACHED, message)
    release = find_release(snapshot, release.name)
    snapshot = rollback.switch_back(snapshot, release, message, visit.now)
    failed = find_release(snapshot, release.name)
    said = rollback.describe(snapshot, failed)
    return Progress(snapshot, Waiting(Reason.ROLLED_BACK, said, stalled=True))


def _conclude(
    snapshot: Snapshot, release: BookStoreRelease, observed: Observed, doubt: str
) -> Snapshot:
    result = INCONCLUSIVE if doubt else PASSED
    approval = APPROVED if doubt and release.spec.watch_approved else ""
    message = f"{doubt} {describe(observed.counts, _limits(snapshot))}{approval}".strip()
    if approval or release.status.reason == Reason.WATCH_INCONCLUSIVE:
        snapshot = _serves(snapshot, release, approval)
        release = find_release(snapshot, release.name)
    return _write(snapshot, release, observed, result, message)


def _write(
    snapshot: Snapshot, release: BookStoreRelease, observed: Observed, result: str, message: str
) -> Snapshot:
    """Return the Snapshot with a result; what is known of each Pod is no longer needed."""
    read_at = observed.tally.read_at
    record = Record(
        tally=Tally(read_at=read_at), counts=observed.counts, result=result, message=fit(message)
    )
    return update_status(snapshot, release, watch=record)


def _record(
    snapshot: Snapshot, release: BookStoreRelease, observed: Observed, now: datetime
) -> Snapshot:
    """Return the Snapshot with the counts in the record, if it is time."""
    record = release.status.watch
    if record and not tally.needs_record(record.tally, observed.tally, now, RECORD_SECONDS):
        return snapshot
    return update_status(
        snapshot, release, watch=Record(tally=observed.tally, counts=observed.counts)
    )


def _limits(snapshot: Snapshot) -> Limits:
    return snapshot.store.spec.rollout.watch
