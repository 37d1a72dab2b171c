"""`spec.database.embedded.storage` and `spec.backup.storage`: a volume."""

from __future__ import annotations

from pydantic import Field

from bookstore_operator.crd.base import (
    ObjectName,
    Part,
    Quantity,
    rules,
)


class Storage(Part):
    """A volume. Its size and class can't be changed in place."""

    size: Quantity = Field(
        "1Gi",
        description="How large the volume is.",
        json_schema_extra=rules(
            ("self == oldSelf", "the size of a volume can't be changed here: see its claim (PVC)")
        ),
    )
    storage_class_name: ObjectName | None = Field(
        None,
        description="The StorageClass to take; the cluster's default one when unset.",
        json_schema_extra=rules(("self == oldSelf", "the class of a volume can't be changed")),
    )
