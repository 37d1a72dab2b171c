"""Ask an image whether its code works on the current schema: `check-schema`."""

from bookstore_operator.core import contract, names
from bookstore_operator.core.gate import Failed
from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd.checks import CheckRecord
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.checks import Check
from bookstore_operator.releases.manifests import NEEDED

WORKS = frozenset({contract.CURRENT, contract.AHEAD})
DOES_NOT_WORK = frozenset({contract.BEHIND, contract.INCOMPATIBLE})
UNKNOWN = frozenset({*contract.RETRY_REASONS, "failed"})
"""The codes of a check that could not find out."""


def schema_check(name: str, asked: BookStoreRelease, question: str, reason: Reason) -> Check:
    """Return a check that runs `check-schema` of a release's image."""
    return Check(
        name=name,
        command=contract.CHECK_SCHEMA,
        question=question,
        reason=reason,
        asked=asked,
        volumes=NEEDED,
        retried=UNKNOWN,
    )


def unanswered(release: BookStoreRelease, check: Check, answered: CheckRecord) -> Failed | None:
    """Return the failure of an image that says nothing by the contract; None if it does."""
    if answered.code in WORKS | DOES_NOT_WORK:
        return None
    said = f"{answered.code or f'exit code {answered.exit_code}'}: {answered.message.rstrip('.')}"
    job = names.check_job(release.name, check.name, answered.attempt)
    return Failed(
        Reason.CONTRACT_NOT_KEPT,
        f"Image {check.image} can't say {check.question}: its command `bookstore-api check-schema` "
        f"has no outcome of the contract ({said}). See kubectl logs job/{job}.",
    )
