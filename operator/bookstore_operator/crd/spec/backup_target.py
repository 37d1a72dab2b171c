"""Where backups are stored, how they are encrypted, and which of them to restore."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from bookstore_operator.crd.base import NULLABLE, ObjectName, Part, SmallText, Time, rules
from bookstore_operator.crd.spec.storage import Storage

BACKUP_NAME = r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$"
"""The name of a backup in its target, as bookstore-backup gives it."""


def is_backup_name(text: str) -> bool:
    """Whether a text is the name of a backup in its target."""
    return re.match(BACKUP_NAME, text) is not None


class S3Target(Part):
    """A bucket of an S3-compatible object store."""

    bucket: str = Field(
        pattern=r"^[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]$", max_length=63, description="Bucket."
    )
    prefix: str = Field(
        "",
        max_length=500,
        pattern=r"^([-._a-zA-Z0-9]+(/[-._a-zA-Z0-9]+)*)?$",
        description="Folder in the bucket. Several BookStores can share one.",
    )
    endpoint: str = Field(
        "",
        max_length=500,
        pattern=r"^(https?://[^/\s]+)?$",
        description="URL of the object store. Defaults to that of AWS in the region.",
    )
    region: str = Field(
        "us-east-1", max_length=63, pattern=r"^[-a-zA-Z0-9]+$", description="Region."
    )
    virtual_host: bool = Field(
        False, description="Address the bucket by host name instead of by path."
    )
    sha256: bool = Field(
        False, description="Send SHA-256 checksums, which a bucket with object lock needs."
    )
    credentials_secret_name: ObjectName | None = Field(
        None,
        description="Secret with `access-key-id`, `secret-access-key` and, if there is one, "
        "`session-token`. Without it the Pods' workload identity is used.",
    )
    ca_secret_name: ObjectName | None = Field(
        None,
        description="Secret with `ca.crt`, the certificates that the object store's is signed by.",
    )


class BackupTarget(
    Part,
    json_schema_extra=rules(
        ("!has(self.volume) || !has(self.s3)", "at most one of volume and s3 may be set")
    ),
):
    """Where backups are stored: a volume with its defaults, unless one of the fields is set."""

    volume: Storage | None = Field(
        None, description="Volume of the BookStore's own.", json_schema_extra=NULLABLE
    )
    s3: S3Target | None = Field(None, description="Bucket of an S3-compatible object store.")

    @model_validator(mode="before")
    @classmethod
    def _volume_by_default(cls, data: Any) -> Any:
        """Fill in a volume where neither is set: see NULLABLE."""
        if isinstance(data, Mapping) and not (data.get("volume") or data.get("s3")):
            return {**data, "volume": {}}
        return data


class Encryption(Part):
    """Encryption of backups by age (age-encryption.org)."""

    secret_name: ObjectName = Field(
        description="Secret with `recipients`, public keys of age, one a line, and `identities`, "
        "the private keys. Pods that take backups mount only `recipients`; those that verify and "
        "restore need `identities`."
    )


class SourceTarget(
    Part,
    json_schema_extra=rules(
        ("has(self.claimName) != has(self.s3)", "exactly one of claimName and s3 must be set")
    ),
):
    """Where backups are read from. Set exactly one of the fields."""

    claim_name: ObjectName | None = Field(
        None, description="PersistentVolumeClaim in the same namespace with the backups."
    )
    s3: S3Target | None = Field(None, description="Bucket of an S3-compatible object store.")


class RestoreSource(
    Part,
    json_schema_extra=rules(
        ("!(has(self.backup) && has(self.before))", "only one of backup and before may be set")
    ),
):
    """Which backup is restored: the latest one without `backup` and `before`."""

    backup: str | None = Field(
        None,
        max_length=253,
        description="Name of a BookStoreBackup of the namespace, or of a backup in the target.",
    )
    before: Time | None = Field(
        None, description="Restore the newest backup that began before this time."
    )
    store: SmallText | None = Field(
        None,
        description="BookStore whose backups these are, as `namespace.name`. Defaults to the "
        "BookStore itself.",
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\.[a-z]([-a-z0-9]*[a-z0-9])?$",
    )
    target: SourceTarget | None = Field(
        None, description="Where the backups are. Defaults to the target of `spec.backup`."
    )
    encryption: Encryption | None = Field(
        None, description="Keys that the backups are encrypted with. Defaults to `spec.backup`'s."
    )
