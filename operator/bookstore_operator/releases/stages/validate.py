"""Stage Validate: the image can be pulled and keeps the contract, before anything is changed."""

from datetime import datetime

from bookstore_operator.core import contract, history, names
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.checks import VALIDATE, CheckRecord
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.checks import (
    Check,
    check_answer,
    find_record,
    outcome_of,
    put_record,
    run_check,
)
from bookstore_operator.releases.progress import Progress

ASKED = ("image", "config.databasePoolSize", "env", "secretMounts")
"""The fields of an intent that the answer depends on."""
_KNOWN = ", ".join(map(str, sorted(contract.VERSIONS)))


def validate(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Ask the image to describe itself, unless the active release has its answer already."""
    if find_record(release, VALIDATE) is None and (known := _known_answer(snapshot, release)):
        snapshot = put_record(snapshot, release, known)
    progress = run_check(snapshot, release, contract_check(release), visit)
    answer = visit.ask(image_validated, progress.snapshot)
    return Progress(progress.snapshot, answer, progress.actions)


def contract_check(release: BookStoreRelease) -> Check:
    """Return the check that runs `contract` of a release's image. It needs no database."""
    return Check(
        name=VALIDATE,
        command=contract.CONTRACT,
        question="whether it keeps the contract",
        reason=Reason.VALIDATING,
        asked=release,
    )


def image_validated(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the newest release's image has described itself as the contract says."""
    release = history.newest(snapshot)
    if release is None:
        return Waiting(Reason.VALIDATING, "There is no release yet.")
    check = contract_check(release)
    answered = outcome_of(snapshot, release, check)
    if answered is None:
        return check_answer(snapshot, release, check, now)
    problem = _problem(release, check, answered)
    return Failed(Reason.CONTRACT_NOT_KEPT, problem) if problem else Passed()


def _known_answer(snapshot: Snapshot, release: BookStoreRelease) -> CheckRecord | None:
    """Return the active release's answer if this release's would be the same; else None."""
    active = history.active(snapshot)
    if active is None or active.name == release.name:
        return None
    record = find_record(active, VALIDATE)
    if record is None or record.code != contract.DESCRIBED:
        return None
    same = all(_field(active, path) == _field(release, path) for path in ASKED)
    source = record.reused_from or active.name
    return record.model_copy(update={"reused_from": source}) if same else None


def _field(release: BookStoreRelease, path: str) -> object:
    value: object = release.spec.intent
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _problem(release: BookStoreRelease, check: Check, answered: CheckRecord) -> str:
    """Return how an image does not keep the contract, and what to do; empty if it does."""
    version = answered.data.contract if answered.data else None
    if answered.code == contract.DESCRIBED and version in contract.VERSIONS:
        return ""
    job = names.check_job(release.name, check.name, answered.attempt)
    image, said = f"Image {check.image}", answered.message.rstrip(".")
    if answered.code == contract.DESCRIBED:
        which = "no version" if version is None else f"version {version}"
        return (
            f"{image} keeps {which} of the contract between operator and image; this operator "
            f"knows {_KNOWN}. Use the operator that belongs to the image, or an image for this one."
        )
    if answered.code:
        return (
            f"{image} can't describe itself with these settings ({answered.code}): {said}. Correct "
            "the setting in spec.config or spec.env, or the image."
        )
    return (
        f"{image} does not keep the contract between operator and image: its command "
        f"`bookstore-api contract` gave no outcome (exit code {answered.exit_code}: {said}). Use "
        "an image that has this command (docs/reference/contract.md), or correct its entry point. "
        f"See kubectl logs job/{job}."
    )
