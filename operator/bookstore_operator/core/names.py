"""The names of everything that belongs to a BookStore. All fit in 63 characters."""

import hashlib
import re

from bookstore_operator.crd.attempts import Branch
from bookstore_operator.crd.release import Color

LONGEST = 63
_MIGRATION = re.compile(r"-(?P<branch>expand|contract)(?:-(?P<attempt>[1-9][0-9]{0,8}))?$")
DATABASE_USER = "bookstore"
DATABASE_NAME = "bookstore"


def release(store: str, revision: int, attempt: int = 1) -> str:
    """Return the name of a BookStoreRelease."""
    suffix = "" if attempt == 1 else f"-a{attempt}"
    return f"{store}-r{revision}{suffix}"


def deployment(store: str, color: Color) -> str:
    """Return the name of a color's Deployment."""
    return f"{store}-{color.value}"


def service(store: str) -> str:
    """Return the name of the active Service; HPA, PDB and Ingress have it too."""
    return store


def preview_service(store: str) -> str:
    """Return the name of the Service that selects a release before users are sent to it."""
    return f"{store}-preview"


def migration_job(release_name: str, attempt: int = 1, branch: Branch = Branch.EXPAND) -> str:
    """Return the name of the Job that migrates the schema for a release."""
    return _job(release_name, branch.value, attempt)


def migration_attempt(release_name: str, job: str) -> tuple[Branch, int]:
    """Return the branch and the number of a migration Job; 1 for a name of somebody else's.

    Names can't be changed, as labels can.
    """
    ends = _MIGRATION.search(job)
    if ends is None:
        return Branch.EXPAND, 1
    branch, attempt = Branch(ends["branch"]), int(ends["attempt"] or 1)
    ours = migration_job(release_name, attempt, branch) == job
    return (branch, attempt) if ours else (Branch.EXPAND, 1)


def check_job(release_name: str, check: str, attempt: int = 1) -> str:
    """Return the name of a Job that asks an image something for a release."""
    return _job(release_name, check, attempt)


def release_backup(release_name: str, attempt: int = 1) -> str:
    """Return the name of the Job that backs up the database before a release migrates it."""
    return _job(release_name, "backup", attempt)


def database(store: str) -> str:
    """Return the name of the embedded database's objects: StatefulSet, Service, Secret, policy."""
    return f"{store}-db"


def database_claim(store: str) -> str:
    """Return the name of the PVC that the StatefulSet creates for the embedded database."""
    return server_claim(database(store))


def restored_database(restore: str) -> str:
    """Return the name of the objects of a server that a BookStoreRestore has made.

    No BookStore's name ends like this, and none of its objects'.
    """
    return f"{restore}-db-restored"


def server_claim(server: str) -> str:
    """Return the name of the PVC that the StatefulSet of a database creates."""
    return f"data-{server}-0"


def restore_job(restore: str) -> str:
    """Return the name of the first Job of a BookStoreRestore."""
    return f"{restore}-restore"


def bootstrap_job(store: str) -> str:
    """Return the name of the first Job that restores a backup into a new BookStore."""
    return f"{store}-bootstrap"


def numbered(job: str, attempt: int) -> str:
    """Return the name of the Job of an attempt."""
    return job if attempt == 1 else f"{job}-{attempt}"


def cache(store: str) -> str:
    """Return the name of the embedded cache's objects: Deployment, Service, Secret, policy."""
    return f"{store}-cache"


def staff(store: str) -> str:
    """Return the name of the Secret that the operator creates for the staff token."""
    return f"{store}-staff"


def signing_keys(store: str) -> str:
    """Return the name of the Secret that the operator creates for the signing keys."""
    return f"{store}-signing-keys"


def backup(store: str) -> str:
    """Return the name of the backup CronJob and of its PVC."""
    return f"{store}-backup"


def backup_record(job: str, uid: str) -> str:
    """Return the name of the BookStoreBackup of a Job: a Job of its name may come again."""
    return _unique(job, "", uid)


def found_backup(store: str, backup: str) -> str:
    """Return the name of the BookStoreBackup of a backup that was found in the target."""
    return _unique(store, "-found", backup)


def backup_job(record: str, uid: str) -> str:
    """Return the name of the Job that takes the backup which a BookStoreBackup asks for."""
    return _unique(record, "-backup", uid)


def final_backup(store: str, uid: str, attempt: int) -> str:
    """Return the name of a BookStoreBackup that is taken before its BookStore is deleted."""
    return _unique(store, "-final", f"{uid}/{attempt}")


def verify_job(record: str, uid: str, attempt: int) -> str:
    """Return the name of the Job that verifies the backup of a BookStoreBackup."""
    return _unique(record, "-verify", f"{uid}/{attempt}")


def drill(store: str) -> str:
    """Return the name of the CronJob of drills."""
    return f"{store}-drill"


def api_network_policy(store: str) -> str:
    """Return the name of the NetworkPolicy of the API's Pods."""
    return f"{store}-api"


def _unique(name: str, task: str, identity: str) -> str:
    """Return a name for one object only, and none that a person or a controller would choose."""
    suffix = f"{task}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
    return f"{name[: LONGEST - len(suffix)].rstrip('-.')}{suffix}".replace(".", "-")


def _job(release_name: str, task: str, attempt: int) -> str:
    """Return the name of a release's Job: if too long, a hash stands for the release's end."""
    suffix = f"-{task}" if attempt == 1 else f"-{task}-{attempt}"
    if len(release_name) + len(suffix) <= LONGEST:
        return f"{release_name}{suffix}"
    digest = hashlib.sha256(release_name.encode()).hexdigest()[:8]
    return f"{release_name[: LONGEST - len(suffix) - 9]}-{digest}{suffix}"
