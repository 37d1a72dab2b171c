"""Stage Verify: prove that the new color works, and that it can be watched, before users see it."""

from datetime import datetime

from bookstore_operator.components.serving.gate import color_available
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import contract, history, names
from bookstore_operator.core.clock import stage_clock
from bookstore_operator.core.deadline import bounded
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.measurements import Measurement
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.checks import CheckRecord
from bookstore_operator.crd.measured import Baseline, Tally, Watch
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases import tally
from bookstore_operator.releases.checks import (
    Check,
    CheckProgress,
    find_record,
    put_record,
    run_check,
)
from bookstore_operator.releases.manifests import TMP
from bookstore_operator.releases.observed import Observed, ask, read
from bookstore_operator.releases.progress import Progress
from bookstore_operator.workloads import pods
from bookstore_operator.workloads.endpoints import endpoints

SMOKE = "smoke"
SMOKE_ATTEMPTS = 3
ASKED = (
    *("image", "environment", "database", "cache", "staff", "signingKeys", "smtp"),
    *("config", "env", "secretMounts"),
)
"""The fields of an intent that the result of a smoke test depends on."""
PATIENCE_SECONDS = 30
"""Metrics that can't be read are reported as a problem after this: a NetworkPolicy needs time."""
BASELINE_SECONDS = 300
"""How far back a Prometheus is asked about the release that serves."""
NEW_SECONDS = 60


def verify(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Reach the new color through the preview Service, test it, and read its metrics."""
    for gate in (color_available, preview_reached):
        answer = visit.ask(gate, snapshot)
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer)
    if not live_size(snapshot):
        return Progress(snapshot, Passed())  # there is no Pod to ask
    snapshot, watching_old = _measure_old(snapshot, release, visit.now)
    release = find_release(snapshot, release.name)
    if find_record(release, SMOKE) is None and (known := _known_answer(snapshot, release)):
        snapshot = put_record(snapshot, release, known)
        release = find_release(snapshot, release.name)
    smoke = run_check(snapshot, release, smoke_check(snapshot, release), visit)
    answer = _judge_smoke(smoke, release)
    if not isinstance(answer, Passed):
        return Progress(smoke.snapshot, answer, smoke.actions, watching_old)
    return _measure(smoke.snapshot, find_release(smoke.snapshot, release.name), visit.now)


def smoke_check(snapshot: Snapshot, release: BookStoreRelease) -> Check:
    """Return the check that uses the new color as clients do, through the preview Service.

    It is repeated twice if it fails: what nodes know of a Service follows a little later.
    """
    record = find_record(release, SMOKE)
    last = record is not None and record.attempt >= SMOKE_ATTEMPTS
    url = f"http://{names.preview_service(snapshot.store.name)}"
    return Check(
        name=SMOKE,
        command=(*contract.SMOKE, "--url", url, "--revision", str(release.spec.revision)),
        question="whether it works through the preview Service",
        reason=Reason.VERIFYING,
        asked=release,
        volumes=frozenset({TMP, contract.STAFF_FOLDER}),
        retried=frozenset() if last else frozenset({contract.FAILED}),
    )


def _known_answer(snapshot: Snapshot, release: BookStoreRelease) -> CheckRecord | None:
    """Return the active release's answer if there is nothing new to find out; else None.

    Its processes then run the same code with the same settings: only resources, placement or
    metadata of the Pods have changed, and these Pods are ready.
    """
    active = history.active(snapshot)
    record = find_record(active, SMOKE) if active else None
    if active is None or record is None or record.code != contract.PASSED:
        return None
    old, new = active.spec.intent, release.spec.intent
    if any(old.get(field) != new.get(field) for field in ASKED):
        return None
    return record.model_copy(update={"reused_from": record.reused_from or active.name})


def _judge_smoke(smoke: CheckProgress, release: BookStoreRelease) -> Answer:
    outcome = smoke.outcome
    if outcome is None or outcome.code == contract.PASSED:
        return smoke.answer
    return Failed(
        Reason.SMOKE_TEST_FAILED,
        f"{release.name} does not work as it should: {outcome.message.rstrip('.')}. (Job "
        f"{names.check_job(release.name, SMOKE, outcome.attempt)}, `bookstore-api smoke`.)",
    )


def preview_reached(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the preview Service sends requests to the new color's Pods, and to no others."""
    release = history.newest(snapshot)
    if release is None:
        return Passed()
    service = names.preview_service(snapshot.store.name)
    behind, (own, ready) = endpoints(snapshot, service), pods.of_release(snapshot, release)
    if not behind.listed - own and ready <= behind.ready and (ready or not live_size(snapshot)):
        return Passed()
    others = len(behind.listed - own)
    message = (
        f"Waiting for the endpoints of Service {service} to be the Pods of {release.name} only: "
        f"{len(ready & behind.ready)} of {len(ready)} are listed, and {others} others."
    )
    return bounded(snapshot, release, Waiting(Reason.VERIFYING, message), now)


def _measure_old(
    snapshot: Snapshot, release: BookStoreRelease, now: datetime
) -> tuple[Snapshot, tuple[Measurement, ...]]:
    """Record the first reading of the release that serves: the second is compared with it."""
    active, watch = history.active(snapshot), snapshot.store.spec.rollout.watch
    if active is None or not watch.seconds or watch.prometheus:
        return snapshot, ()
    old = read(snapshot, active, Tally())
    if not (release.status.baseline or old.pending or old.problem):
        first = Baseline(measured_at=now, counts=old.counts)
        snapshot = update_status(snapshot, release, baseline=first)
    return snapshot, old.measurements


def _measure(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Progress:
    """Read the metrics of both colors, and record from where to count."""
    active, source = history.active(snapshot), snapshot.store.spec.rollout.watch.prometheus
    if active is None or not snapshot.store.spec.rollout.watch.seconds:
        return Progress(snapshot, Passed())
    if source:
        new = ask(snapshot, release, source, NEW_SECONDS)
        old = ask(snapshot, active, source, BASELINE_SECONDS)
    else:
        new = read(snapshot, release, Tally(), times=tally.SEVERAL_PROCESSES_READS)
        old = read(snapshot, active, Tally())
    wanted = (*new.measurements, *old.measurements)
    if problem := new.problem or _other_revision(release, new):
        return Progress(snapshot, _unreadable(snapshot, release, problem, now), (), wanted)
    if new.pending or old.pending:
        message = f"Reading the metrics of {release.name} and {active.name}."
        answer = bounded(snapshot, release, Waiting(Reason.VERIFYING, message), now)
        return Progress(snapshot, answer, (), wanted)
    baseline = _baseline(snapshot, release, old, now)
    begin = Watch(tally=tally.begin(snapshot, release, dict(new.readings)))
    return Progress(update_status(snapshot, release, baseline=baseline, watch=begin), Passed())


def _unreadable(
    snapshot: Snapshot,
    release: BookStoreRelease,
    problem: str,
    now: datetime,
) -> Answer:
    """Return that a release can't be watched, and the ways out; it fails after its deadline."""
    field = "spec.rollout.watch"
    advice = (
        f"Correct {field}.prometheus, or set {field}.seconds to 0 to release without a watch."
        if snapshot.store.spec.rollout.watch.prometheus
        else f"Let the operator connect to the Pods, let it ask a Prometheus "
        f"({field}.prometheus), or set {field}.seconds to 0 to release without a watch."
    )
    late = (now - stage_clock(release, now)).total_seconds() >= PATIENCE_SECONDS
    reason = Reason.METRICS_UNREADABLE if late else Reason.VERIFYING
    message = f"{release.name} could not be watched. {problem} {advice}"
    return bounded(snapshot, release, Waiting(reason, message), now)


def _other_revision(release: BookStoreRelease, new: Observed) -> str:
    """Return which revision a Pod says it is, as a sentence, if it is not the release's."""
    revision = str(release.spec.revision)
    others = sorted({r.revision for r in new.readings.values() if r.revision != revision})
    return f"A Pod says it is revision {others[0]}, not {revision}." if others else ""


def _baseline(
    snapshot: Snapshot, release: BookStoreRelease, old: Observed, now: datetime
) -> Baseline | None:
    """Return what the release that serves does at this time; all of its life if that is little.

    None if it can't be read: then the limits alone count.
    """
    if old.problem:
        return None
    watch, first = snapshot.store.spec.rollout.watch, release.status.baseline
    if watch.prometheus:
        return Baseline(measured_at=now, seconds=BASELINE_SECONDS, counts=old.counts)
    if first:
        recent = old.counts.plus(first.counts, -1)
        seconds = round((now - first.measured_at).total_seconds())
        if recent.requests >= watch.min_requests and min(recent.errors, recent.slow) >= 0:
            return Baseline(measured_at=now, seconds=seconds, counts=recent)
    return Baseline(measured_at=now, counts=old.counts)
