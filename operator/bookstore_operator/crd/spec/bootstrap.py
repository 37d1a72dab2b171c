"""`spec.bootstrap`: what a new BookStore begins with."""

from pydantic import Field

from bookstore_operator.crd.base import Part, group
from bookstore_operator.crd.spec.backup_target import RestoreSource
from bookstore_operator.crd.spec.resources import Resources, default_resources


class BootstrapRestore(RestoreSource):
    """Backup that is restored into the empty database, before the first release migrates it."""

    attempts: int = Field(
        3, ge=1, le=10, description="Number of restore Jobs until the release has failed."
    )
    timeout_seconds: int = Field(
        3600, ge=60, le=604800, description="Time limit of each restore Job, in seconds."
    )
    resources: Resources = group(
        default_resources("100m", "128Mi", "512Mi"), "CPU and memory of the restore's Pod."
    )


class Bootstrap(Part):
    """What a new BookStore begins with. It can be removed later, but not added or changed."""

    restore: BootstrapRestore = Field(
        description="Restore a backup into the database before it is first migrated. The database "
        "must be empty.",
    )


BOOTSTRAP_RULE = (
    "!has(self.bootstrap) || (has(oldSelf.bootstrap) && self.bootstrap == oldSelf.bootstrap)",
    "bootstrap is for a new BookStore: it can't be added or changed later. To restore a backup of "
    "one that exists, create a BookStoreRestore",
)
"""The rule of the spec, with its message: a rule of a group is not evaluated when that is new."""
