"""`spec.database.embedded.storage` and `spec.backup.storage`: a volume."""

from pydantic import Field

from bookstore_operator.crd.base import ObjectName, Part, Quantity, rules


class Storage(Part):
    """A volume. Its size and StorageClass are immutable."""

    size: Quantity = Field(
        "1Gi",
        description="Size of the volume.",
        json_schema_extra=rules(
            (
                "self == oldSelf",
                "the size of a volume can't be changed here: change its PersistentVolumeClaim",
            )
        ),
    )
    storage_class_name: ObjectName | None = Field(
        None,
        description="StorageClass of the volume. Defaults to the cluster's default StorageClass.",
        json_schema_extra=rules(
            ("self == oldSelf", "the StorageClass of a volume can't be changed")
        ),
    )
