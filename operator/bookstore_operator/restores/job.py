"""The Job of a restore: bookstore-backup's command, which reads a target and fills a database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bookstore_operator.components.backup import tool
from bookstore_operator.core import names
from bookstore_operator.core.kinds import JOBS
from bookstore_operator.core.labels import (
    ATTEMPT_LABEL,
    COMPONENT_LABEL,
    RESTORE_LABEL,
    Component,
)
from bookstore_operator.core.metadata import metadata
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.spec.backup_target import RestoreSource
from bookstore_operator.crd.spec.resources import Resources
from bookstore_operator.restores.source import Resolved


@dataclass(frozen=True, slots=True)
class Wish:
    """A restore that is asked for: by a BookStoreRestore, or by a BookStore's spec.bootstrap."""

    job: str
    """The name of its first Job."""
    source: RestoreSource
    secret: str
    key: str
    """The Secret and its key with the URI of the empty database."""
    database: str
    """The identity of that database."""
    attempts: int
    timeout_seconds: int
    resources: Resources
    owner: Mapping[str, Any]
    """The owner reference of its Jobs."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels that only its Jobs and Pods have."""
        return {COMPONENT_LABEL: Component.RESTORE.value, RESTORE_LABEL: self.job}

    def job_name(self, number: int) -> str:
        """Return the name of the Job of an attempt."""
        return names.numbered(self.job, number)


def restore_job(
    store: BookStore, wish: Wish, attempt: int, resolved: Resolved, image: str
) -> Manifest:
    """Return the Job of an attempt. One Job is one attempt, because the operator repeats it."""
    template = tool.tool_pod(
        store,
        image,
        ("restore", resolved.backup, *resolved.options),
        (*resolved.inputs, tool.database_in(wish.secret, wish.key)),
        component=Component.RESTORE,
        resources=wish.resources,
    )
    template = {
        **template,
        "metadata": {
            **template["metadata"],
            "labels": {**template["metadata"]["labels"], **wish.labels},
        },
    }
    meta = metadata(store, wish.job_name(attempt), Component.RESTORE, owned=False)
    meta["labels"] |= {**wish.labels, ATTEMPT_LABEL: str(attempt)}
    meta["ownerReferences"] = [wish.owner]
    return {
        **JOBS.type_meta,
        "metadata": meta,
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": wish.timeout_seconds,
            "template": template,
        },
    }
