"""BookStoreRelease: one attempt to make a revision active, and the durable record of it."""

from __future__ import annotations

import json
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema, field_validator

from bookstore_operator.crd.attempts import ContractRecord, MigrationAttempt
from bookstore_operator.crd.backups import BackupRun, LastBackup
from bookstore_operator.crd.base import CustomObject, Part, SmallText, Time, rules
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.checks import CheckRecord, ConnectionBudget
from bookstore_operator.crd.intent import intent_schema
from bookstore_operator.crd.measured import Baseline, Watch
from bookstore_operator.crd.restore import RestoreRecord
from bookstore_operator.crd.text import Message

KIND = "BookStoreRelease"
PLURAL = "bookstorereleases"


class Color(StrEnum):
    """One of the two Deployments of a BookStore."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Color:
        """The other color."""
        return Color.GREEN if self is Color.BLUE else Color.BLUE


class Result(StrEnum):
    """The result of a release. A release without one is still to be promoted."""

    PROMOTED = "Promoted"
    """The release serves; its last stages are not complete yet."""
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ABORTED = "Aborted"
    """A person ended it before it was promoted."""
    SUPERSEDED = "Superseded"
    ROLLED_BACK = "RolledBack"
    """It served, and the release before it serves again."""

    @classmethod
    def _missing_(cls, value: object) -> Result | None:
        """Return a result that only a newer operator has: it is none of the members here.

        The release's record can then still be read, and is written back as it was.
        """
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_, unknown._value_ = "UNKNOWN", value
        return unknown

    @property
    def known(self) -> bool:
        """Whether this operator has the result."""
        return self.name != "UNKNOWN"


ENDED_BY_DECISION = frozenset({Result.ABORTED, Result.ROLLED_BACK})
"""The results that overrule the BookStore's spec: while it still asks for the release, nothing is
started. Only a person's wish starts it again."""

IMMUTABLE = rules(
    (
        "self == oldSelf",
        "a BookStoreRelease is a record: only approved, aborted, watchApproved, contractApproved, "
        "retry and rollback can be changed",
    )
)


class ReleaseSpec(Part):
    """What the release deploys. Immutable, except for what people decide, from `approved` on."""

    store_name: SmallText = Field(
        description="Name of the BookStore that the release belongs to.",
        json_schema_extra=IMMUTABLE,
    )
    revision: int = Field(
        ge=1,
        description="Sequence number of the intent. Retries of a release keep its revision.",
        json_schema_extra=IMMUTABLE,
    )
    attempt: int = Field(
        1,
        ge=1,
        description="Number of this attempt to release the revision, from 1.",
        json_schema_extra=IMMUTABLE,
    )
    color: Color = Field(
        description="Color whose Deployment runs the release.", json_schema_extra=IMMUTABLE
    )
    intent: dict[str, Any] = Field(
        description="Part of the BookStore's spec that the release deploys.",
        json_schema_extra={**IMMUTABLE, **intent_schema(BookStoreSpec)},
    )
    pod_template: str = Field(
        max_length=262144,
        description="Pod template of the API, rendered from the intent when the release was "
        "created. A newer operator does not render it again. JSON in a string, because CEL rules "
        "can't protect an untyped object.",
        json_schema_extra=IMMUTABLE,
    )
    rollback_of: str = Field(
        "",
        max_length=63,
        description="Release that served before and whose intent this one deploys again. Its image "
        "must work on the schema as it is now, which is never downgraded.",
        json_schema_extra=IMMUTABLE,
    )
    overrides: str = Field(
        "",
        max_length=63,
        description="Release that this one overrules: while the BookStore's spec asks for it, "
        "nothing is started.",
        json_schema_extra=IMMUTABLE,
    )
    approved: bool | None = Field(
        None,
        description="Set to true to approve the promotion, where `rollout.promotion` is Manual or "
        "After. It may be set before the release is verified, and counts once it is.",
    )
    aborted: bool | None = Field(
        None,
        description="Set to true to abort the release. The active release continues to serve; "
        "while this one is watched, the release before it serves again.",
    )
    watch_approved: bool | None = Field(
        None,
        description="Set to true to keep the release although its watch was inconclusive, if "
        "`rollout.watch.onInconclusive` is Hold.",
    )
    contract_approved: bool | None = Field(
        None,
        description="Set to true on the release that serves to approve its contract migration, "
        "where `migration.contract` is Manual.",
    )
    retry: bool | None = Field(
        None,
        description="Set to true on the newest release, once it has ended without serving, to "
        "release what the BookStore asks for again.",
    )
    rollback: bool | None = Field(
        None,
        description="Set to true on a release that has served before to go back to it: by one "
        "switch while its color still runs, else by a new release of its intent. The operator "
        "answers in `status.rollback` and sets the field back.",
    )

    @field_validator("pod_template")
    @classmethod
    def _check_template(cls, text: str) -> str:
        """Reject a text that is no Pod template: Deployments and Jobs are made of it."""
        if not _is_template(text):
            raise ValueError("not a Pod template")
        return text

    def template(self) -> dict[str, Any]:
        """Return the Pod template as data."""
        template: dict[str, Any] = json.loads(self.pod_template)
        return template


@lru_cache(maxsize=4096)
def _is_template(text: str) -> bool:
    """Whether a text is a Pod template; a record is read again and again."""
    try:
        template = json.loads(text)
        return bool(template["metadata"]["labels"] and template["spec"]["containers"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


class RollbackState(StrEnum):
    """What became of a rollback that a person has asked for."""

    SWITCHED = "Switched"
    RELEASED = "Released"
    REFUSED = "Refused"


class RollbackAnswer(Part):
    """The answer to the last request to go back to a release (`spec.rollback`)."""

    state: RollbackState = Field(
        description="`Switched`: it serves. `Released`: a new release of its intent was begun. "
        "`Refused`: see the message."
    )
    release: str = Field("", max_length=63, description="Release that serves, or was begun.")
    message: Message = Field("", description="Why it was refused.")
    answered_at: Time = Field(description="When it was answered.")


class ReleaseStatus(Part):
    """Progress and result of the release: the durable record of what can't be observed."""

    stage: str | None = Field(None, description="Current stage, or the last one that was entered.")
    stage_started_at: Time | None = Field(None, description="When the stage was entered.")
    held_since: Time | None = Field(
        None,
        description="Since when the API server has kept the stage from progressing, by errors, "
        "webhooks or quotas, or since when the BookStore is paused. No deadline passes meanwhile.",
    )
    attempts: int = Field(0, description="Number of migration Jobs started.")
    failed_attempts: int = Field(
        0,
        description="Number of failed attempts to migrate the current database that count towards "
        "`migration.attempts`.",
    )
    backup: BackupRun | None = Field(None, description="Backup before the migration.")
    last_backup: LastBackup | None = Field(
        None, description="Last backup that succeeded while the release served."
    )
    bootstrap: RestoreRecord | None = Field(
        None, description="Restore into the empty database of a new BookStore (spec.bootstrap)."
    )
    last_attempt: MigrationAttempt | None = Field(
        None, description="Last attempt to migrate the schema. Its Job may be gone."
    )
    checks: list[CheckRecord] = Field(
        default_factory=list,
        max_length=20,
        description="What images have answered to the operator's questions. Its Jobs may be gone.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    connection_budget: ConnectionBudget | None = Field(
        None, description="Whether both colors fit into the database's connections."
    )
    contract: ContractRecord | None = Field(
        None, description="Contract migration, once the release serves."
    )
    database: str = Field(
        "",
        max_length=63,
        description="Database whose schema is migrated for the release: the UID of the volume "
        "claim of an embedded one; a digest of host, port and name of an external one.",
    )
    database_replaced_at: Time | None = Field(
        None,
        description="When the schema was migrated again because the database had become another "
        "one.",
    )
    result: Annotated[Result, WithJsonSchema({"type": "string", "maxLength": 63})] | None = Field(
        None,
        description="Result of the release, one of "
        f"{', '.join(Result)}. Unset while it is to be promoted.",
    )
    reason: str = Field("", description="Machine-readable reason in CamelCase.")
    message: Message = Field("", description="Human-readable message with details.")
    promoted_at: Time | None = Field(None, description="When the release was promoted.")
    served_at: Time | None = Field(
        None,
        description="When the endpoints of the active Service were first this release's Pods only. "
        "`rollout.scaleDownDelaySeconds` counts from this time.",
    )
    demoted_at: Time | None = Field(
        None,
        description="When the release was retired and its color became free, or when it was "
        "rolled back.",
    )
    rolled_back_to: str = Field(
        "",
        max_length=63,
        description="Release that serves again since this one was rolled back. It overrules the "
        "BookStore's spec while that asks for this release.",
    )
    rolled_back_from: str = Field(
        "", max_length=63, description="Release whose rollback has made this one serve again."
    )
    rollback: RollbackAnswer | None = Field(
        None, description="Answer to the last request to go back to this release."
    )
    superseded_at: Time | None = Field(
        None,
        description="When the BookStore's spec first asked for something else than this release, "
        "which was aborted or rolled back. If it asks for it again, another attempt begins.",
    )
    baseline: Baseline | None = Field(
        None, description="What was measured of the release that served before, for comparison."
    )
    watch: Watch | None = Field(
        None, description="What was measured since users were sent to the release."
    )
    schema_revisions: list[str] = Field(
        default_factory=list,
        alias="schema",
        description="Schema revisions of the database after the migration.",
    )


class BookStoreRelease(CustomObject):
    """One attempt to make a revision of a BookStore active."""

    kind: str = KIND
    spec: ReleaseSpec
    status: ReleaseStatus = Field(default_factory=ReleaseStatus)

    @property
    def in_flight(self) -> bool:
        """Whether the release is still to be promoted."""
        return self.status.result is None
