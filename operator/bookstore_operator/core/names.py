"""The names of everything that belongs to a BookStore. All fit in 63 characters."""

import hashlib

from bookstore_operator.crd.attempts import Branch
from bookstore_operator.crd.release import Color

LONGEST = 63
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
    """Return the name of the active Service; HPA and PDB have it too."""
    return store


def preview_service(store: str) -> str:
    """Return the name of the Service that selects a release before users are sent to it."""
    return f"{store}-preview"


def migration_job(release_name: str, attempt: int = 1, branch: Branch = Branch.EXPAND) -> str:
    """Return the name of the Job that migrates the schema for a release."""
    suffix = "" if attempt == 1 else f"-{attempt}"
    return f"{release_name}-{branch.value}{suffix}"


def migration_attempt(release_name: str, job: str) -> tuple[Branch, int]:
    """Return the branch and the number of a migration Job; 1 for a name of somebody else's.

    Names can't be changed, as labels can.
    """
    name = job.removeprefix(f"{release_name}-")
    branch, _, number = name.partition("-")
    attempt = int(number) if number.isascii() and number.isdecimal() else 1
    return Branch.CONTRACT if branch == Branch.CONTRACT else Branch.EXPAND, attempt


def check_job(release_name: str, check: str, attempt: int = 1) -> str:
    """Return the name of a Job that asks an image something for a release."""
    suffix = "" if attempt == 1 else f"-{attempt}"
    return _shorten(f"{release_name}-{check}{suffix}")


def release_backup(release_name: str, attempt: int = 1) -> str:
    """Return the name of the Job that backs up the database before a release migrates it."""
    suffix = "" if attempt == 1 else f"-{attempt}"
    return f"{release_name}-backup{suffix}"


def database(store: str) -> str:
    """Return the name of the embedded database's objects: StatefulSet, Service, Secret, policy."""
    return f"{store}-db"


def database_claim(store: str) -> str:
    """Return the name of the PVC that the StatefulSet creates for the embedded database."""
    return f"data-{store}-db-0"


def cache(store: str) -> str:
    """Return the name of the embedded cache's objects: Deployment, Service, Secret, policy."""
    return f"{store}-cache"


def staff(store: str) -> str:
    """Return the name of the Secret that the operator creates for the staff token."""
    return f"{store}-staff"


def backup(store: str) -> str:
    """Return the name of the backup CronJob and of its PVC."""
    return f"{store}-backup"


def api_network_policy(store: str) -> str:
    """Return the name of the NetworkPolicy of the API's Pods."""
    return f"{store}-api"


def _shorten(name: str) -> str:
    """Return a name of at most 63 characters: a longer one ends in its hash instead."""
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST - 9]}-{digest}"
