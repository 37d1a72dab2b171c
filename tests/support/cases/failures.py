"""Every failure once: what goes wrong, and what the BookStore reports.

Two runners play them: tests/operator/test_failures.py in memory, tests/cluster/test_failures.py on
a real control plane. Each turns a fault into what happens there, and ends it again.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Blocker, Cause
from tests.support.world import VALKEY, Object

# What goes wrong -------------------------------------------------------------------------------


class Fault:
    """What a runner lets begin, and end."""


@dataclass(frozen=True)
class PodsFail(Fault):
    """The Pods of an owner (`Deployment/api:2`) have this status."""

    owner: str
    status: Object
    tag: str = ""
    """On a cluster, the image tag whose simulated Pods behave like this."""
    event: str = ""
    """A Warning event about the Pod."""


@dataclass(frozen=True)
class PodsForbidden(Fault):
    """A controller can't create the Pods of an owner."""

    owner: str
    message: str


@dataclass(frozen=True)
class NoNodeFits(Fault):
    """The nodes lack the labels that the release's scheduling requires."""


@dataclass(frozen=True)
class Unavailable(Fault):
    """The Deployment with this image has no available Pod."""

    image: str


@dataclass(frozen=True)
class MigrationEnds(Fault):
    """Migrations end with this termination message."""

    code: str
    message: str


@dataclass(frozen=True)
class MigrationHangs(Fault):
    """Migrations do not end, or only by their deadline."""


@dataclass(frozen=True)
class WriteRejected(Fault):
    """The API server rejects Service demo-db, or does not carry the write out."""

    reason: str
    message: str
    cause: Cause = Cause.REJECTED


@dataclass(frozen=True)
class Blocked(Fault):
    """The operator can't tell what the next step is."""

    blocker: Blocker


@dataclass(frozen=True)
class Contested(Fault):
    """Others change an object again and again."""

    message: str


@dataclass(frozen=True)
class PolicyRejects(Fault):
    """An admission policy rejects the green Deployment."""

    message: str


@dataclass(frozen=True)
class NameTaken(Fault):
    """An object of this name belongs to somebody else."""

    kind: str
    name: str


@dataclass(frozen=True)
class SecretHas(Fault):
    """A Secret has these keys instead of the right ones; None: it does not exist."""

    name: str
    keys: frozenset[str] | None
    right: frozenset[str] | None


@dataclass(frozen=True)
class SecretMalformed(Fault):
    """Values in a Secret are invalid, for these reasons."""

    name: str
    reasons: dict[str, str]
    uri: str = ""
    """On a cluster, the value."""


@dataclass(frozen=True)
class MetricsMissing(Fault):
    """The autoscaler has had no metrics for more than a minute."""


@dataclass(frozen=True)
class NoBackups(Fault):
    """So many days pass without a backup."""

    days: int


@dataclass(frozen=True)
class LastBackup(Fault):
    """The last successful backup was at this time."""

    at: str


# What is reported ------------------------------------------------------------------------------


class Played(Enum):
    """Where a failure can be played."""

    BOTH = "in memory and on a cluster"
    MEMORY = "in memory only: a cluster shows the same by another row, or not within a test"
    CLUSTER = "on a cluster only: the cause is code that the simulated world has not got"


@dataclass(frozen=True)
class Failure:
    """A fault, and what reports it."""

    fault: Fault
    reason: str
    words: tuple[str, ...]
    """In the message: the object, the cause, what to do; `{x}` is a generated suffix."""
    cause: str = ""
    """The same, but said by the world in memory only: what its kubelet or controller reports."""
    status: str = "False"
    condition: str = "Ready"
    spec: Object = field(default_factory=dict)
    releases: bool = True
    """It affects a release of the next image; else the active release."""
    warns: bool = True
    """A Warning event is posted."""
    serving: bool = True
    """The active color's Pods are fine."""
    writes: int = 0
    """The maximum number of writes in an hour of it."""
    played: Played = Played.MEMORY

    def is_told_by(self, message: str, name: str, image: str, cause: bool = False) -> bool:
        """Whether a message of a BookStore has all the words, and the cause if that is wanted."""
        words = [text.format(name=name, image=image, x="\0") for text in self.words]
        patterns = [re.escape(text).replace("\0", r"\S+") for text in words]
        return (not cause or self.cause in message) and all(
            re.search(pattern, message) for pattern in patterns
        )


# Statuses of Pods ------------------------------------------------------------------------------


def waiting(reason: str, message: str = "", ended: str = "", image: str = "api:2") -> Object:
    """Return the status of a Pod whose container waits, after it has ended with a message."""
    container = {"name": "api", "image": image, "ready": False}
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    last = {"terminated": {"exitCode": 1, "reason": "Error", "message": ended}} if ended else {}
    return {
        "phase": "Pending",
        "containerStatuses": [{**container, "state": state, "lastState": last}],
    }


def running(ended: str = "") -> Object:
    """Return the status of a Pod that is running and not ready."""
    status = waiting("", ended=ended)
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    status["containerStatuses"][0] |= {"state": state, "started": True}
    return {**status, "phase": "Running"}


def unscheduled(message: str) -> Object:
    """Return the status of a Pod that no node accepts."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {"phase": "Pending", "conditions": [{**condition, "message": message}]}


TRACEBACK = "Traceback\nValueError: no such setting\n"
UNPULLABLE = waiting("ErrImagePull", "rpc error: code = NotFound desc = no such image")
CRASHING = waiting("CrashLoopBackOff", "back-off 10s restarting", ended=TRACEBACK)
CREATING = waiting("ContainerCreating")
FULL = waiting(
    "CrashLoopBackOff",
    ended="LOG: starting\nPANIC: could not write: No space left on device\nLOG: bye\n",
)
OF_ANOTHER_VERSION = waiting(
    "CrashLoopBackOff",
    image="postgres:18",
    ended=(
        "2026-11-25 17:36:02.711 UTC [1] FATAL:  database files are incompatible with server\n"
        "2026-11-25 17:36:02.711 UTC [1] DETAIL:  The data directory was initialized by PostgreSQL "
        "version 17, which is not compatible with this version 18.6.\n"
    ),
)
NO_SPACE = 'could not extend file "base/5/1": No space left on device'

# The table -------------------------------------------------------------------------------------

WEBHOOK = "check.policies.example"
CACHE = f"Deployment/{VALKEY}"
GREEN, BLUE = "Deployment/api:2", "Deployment/api:1"
MIGRATION, CHECK, DATABASE = "Job/api:2", "Check/api:2", "StatefulSet/db"
PULL_SECRETS = {
    "registry": "does not exist",
    "other": "is of type Opaque, not kubernetes.io/dockerconfigjson",
}
"""The invalid ones that a namespace has, and why."""
SECRETS = {
    "books": frozenset({"uri", "direct"}),
    "clerks": frozenset({"token"}),
    "redis": frozenset({"uri"}),
    "accounts": frozenset({"keys"}),
    "mails": frozenset({"uri"}),
}
"""The keys of the Secrets that a user has provided."""

_CACHED: Object = {"cache": {"embedded": {}}}
_REDIS: Object = {"cache": {"external": {"secretName": "redis"}}}
_STAFF: Object = {"staff": {"secretName": "clerks"}}
_ACCOUNTS: Object = {"signingKeys": {"secretName": "accounts"}}
_MAILS: Object = {"smtp": {"secretName": "mails"}}
_POSTGRES: Object = {"database": {"external": {"secretName": "books", "directKey": "direct"}}}


def secret(name: str, keys: set[str] | None) -> SecretHas:
    """Return the fault of a user's Secret with other keys."""
    return SecretHas(name, None if keys is None else frozenset(keys), SECRETS[name])


def of_migration(code: str, message: str, reason: str, *words: str, **more: Any) -> Failure:
    """Return the failure of a migration that is retried for an hour."""
    return Failure(
        MigrationEnds(code, message),
        reason,
        (f"Job {{name}}-r2-expand failed: {message}", *words, "Retrying in 10 s."),
        writes=130,  # 3 of the BookStore, the release and Jobs for each of 13 tries, and one more
        **more,
    )


def of_service(fault: Fault, reason: str, *words: str, **more: Any) -> Failure:
    """Return a failure of what serves already: no release is begun."""
    return Failure(fault, reason, words, releases=False, **more)


def of_cache(fault: Fault, reason: str, *words: str, **more: Any) -> Failure:
    """Return a failure that CacheHealthy reports, while Ready stays True."""
    spec = {"spec": _CACHED, **more}
    return of_service(fault, reason, *words, condition="CacheHealthy", **spec)


def of_write(
    reason: str, message: str, reported: str, *words: str, cause: Cause = Cause.REJECTED
) -> Failure:
    """Return the failure of a write that the API server rejects."""
    fault = WriteRejected(reason, message, cause)
    return of_service(fault, reported, *words, condition="Stalled", status="True")


def of_blocker(reason: Reason, message: str, **more: Any) -> Failure:
    """Return the failure to tell what the next step is."""
    fault = Blocked(Blocker(reason, message, **more))
    return of_service(fault, reason, message, condition="Stalled", status="True")


FAILURES = {
    # Pods
    "image-unpullable": Failure(
        PodsFail(GREEN, UNPULLABLE),
        "ImagePullFailed",
        ("Pod {name}-green-{x}", "{image}", "spec.image"),
        cause="no such image",
    ),
    "pull-secret-missing": Failure(
        PodsFail(GREEN, UNPULLABLE, tag="pod-unpullable"),
        "ImagePullFailed",
        (
            "Deployment {name}-green",
            "Image {image} of Pod {name}-green-{x} can't be pulled",
            "Its image pull secret registry does not exist: see "
            "kubectl create secret docker-registry registry",
            "Its image pull secret other is of type Opaque",
            "spec.imagePullSecrets",
        ),
        cause="no such image",
        spec={"imagePullSecrets": [{"name": "registry"}, {"name": "good"}, {"name": "other"}]},
        played=Played.BOTH,
    ),
    "image-unpullable-migration": Failure(
        PodsFail(MIGRATION, UNPULLABLE, tag="job-unpullable"),
        "ImagePullFailed",
        (
            "Job {name}-r2-expand",
            "Image {image} of Pod {name}-r2-expand-{x} can't be pulled",
            "Its image pull secret other is of type Opaque",
            "spec.imagePullSecrets",
        ),
        cause="no such image",
        spec={"imagePullSecrets": [{"name": "other"}]},
        played=Played.BOTH,
    ),
    "never-ready": Failure(
        PodsFail(GREEN, running(), tag="pod-unready"),
        "Starting",
        (
            "Deployment {name}-green",
            "Pod {name}-green-{x} is running but not ready",
            "curl localhost:8001/readyz",
        ),
        warns=False,
        played=Played.BOTH,
    ),
    "crashing": Failure(
        PodsFail(GREEN, CRASHING, tag="pod-crash"),
        "PodCrashing",
        (
            "Container api of Pod {name}-green-{x} keeps exiting (exit code 1)",
            "kubectl logs {name}-green-{x}",
        ),
        cause="ValueError: no such setting",
        played=Played.BOTH,
    ),
    "unschedulable": Failure(
        PodsFail(GREEN, unscheduled("0/3 nodes are available: 3 Insufficient memory.")),
        "PodUnschedulable",
        ("Pod {name}-green-{x}", "3 Insufficient memory", "spec.resources"),
    ),
    "unschedulable-migration": Failure(
        NoNodeFits(),
        "PodUnschedulable",
        ("Pod {name}-r2-validate-{x} can't be scheduled", "didn't match", "spec.scheduling"),
        played=Played.BOTH,
    ),
    "volume-not-mounted": Failure(
        PodsFail(
            GREEN,
            CREATING,
            event='MountVolume.SetUp failed for volume "database": secret "books" not found',
        ),
        "PodNotStarting",
        ("Pod {name}-green-{x}", 'secret "books" not found', "kubectl describe pod {name}-green-x"),
    ),
    "quota-for-pods": Failure(
        PodsForbidden(GREEN, 'pods "demo-green-a1" is forbidden: exceeded quota: few, used: 2'),
        "PodCreationForbidden",
        ("Deployment {name}-green can't create Pods", "exceeded quota: few", "Raise the quota"),
        played=Played.BOTH,
    ),
    "quota-for-the-migration": Failure(
        PodsForbidden(
            MIGRATION,
            'Error creating: pods "demo-r2-expand-q7x" is forbidden: exceeded quota: few',
        ),
        "PodCreationForbidden",
        ("Job {name}-r2-expand can't create Pods", "exceeded quota: few", "Raise the quota"),
        played=Played.BOTH,
    ),
    "pod-security": Failure(
        PodsForbidden(GREEN, 'pods "demo-green-a1" is forbidden: violates PodSecurity "x:1"'),
        "PodCreationForbidden",
        ("Deployment {name}-green can't create Pods", 'violates PodSecurity "x:1"', "policies"),
    ),
    "what-serves-crashes": of_service(
        PodsFail(BLUE, CRASHING),
        "PodCrashing",
        *("Pod {name}-blue-{x}", "ValueError: no such setting", "kubectl logs"),
        serving=False,
    ),
    # Migrations
    "migration-fails": of_migration(
        *("failed", "Column exists already.", "MigrationRetry"),
        spec={"migration": {"attempts": 20}},
        played=Played.BOTH,
    ),
    "migration-hangs": Failure(
        MigrationHangs(),
        "Migrating",
        ("Job {name}-r2-expand", "time limit is 600 s", "spec.migration.timeoutSeconds"),
        warns=False,
    ),
    "migration-past-its-deadline": Failure(
        MigrationHangs(),
        "MigrationRetry",
        ("Job {name}-r2-expand", "did not complete within 4 s", "spec.migration.timeoutSeconds"),
        spec={"migration": {"attempts": 9, "timeoutSeconds": 4}},
        played=Played.CLUSTER,
    ),
    "database-unreachable": of_migration(
        *("unreachable", "The database does not answer.", "DatabaseUnreachable"),
        "Check that the database runs",
        played=Played.BOTH,
    ),
    "database-rejects-the-password": of_migration(
        *("authentication-failed", "The database refused the password."),
        "DatabaseAuthenticationFailed",
        "Secret {name}-db",
        played=Played.BOTH,
    ),
    "database-locked": of_migration("locked", "Another migration runs.", "DatabaseLocked"),
    "volume-full-migration": of_migration(
        *("failed", NO_SPACE, "VolumeFull"), "pvc data-{name}-db-0", played=Played.BOTH
    ),
    # The database
    "volume-full": of_service(
        PodsFail(DATABASE, FULL),
        "VolumeFull",
        *("StatefulSet {name}-db", "Pod {name}-db-{x}", "PANIC: could not write"),
        "pvc data-{name}-db-0",
    ),
    "database-of-another-version": of_service(
        PodsFail(DATABASE, OF_ANOTHER_VERSION),
        "PodCrashing",
        *("StatefulSet {name}-db", "Pod {name}-db-{x} exits"),
        "its volume has data of PostgreSQL 17, but image postgres:18 is PostgreSQL 18.6",
        "--postgres-image to version 17",
    ),
    "database-does-not-start": of_service(
        PodsFail(DATABASE, unscheduled("pod has unbound immediate PersistentVolumeClaims")),
        "PodUnschedulable",
        *("StatefulSet {name}-db", "unbound immediate", "kubectl describe pvc data-{name}-db-0"),
    ),
    "database-secret-missing": of_service(
        secret("books", None),
        "DatabaseSecretMissing",
        *("There is no Secret books", "Create it", "`uri`"),
        spec=_POSTGRES,
        played=Played.BOTH,
    ),
    "database-secret-incomplete": of_service(
        secret("books", {"uri"}),
        "DatabaseSecretIncomplete",
        *("Secret books", "no key `direct`", "Add it"),
        spec=_POSTGRES,
    ),
    "database-secret-malformed": of_service(
        SecretMalformed("books", {"direct": "is empty", "other": "is not text"}),
        "DatabaseSecretMalformed",
        *("In Secret books, key `direct` is empty", "Correct it"),
        spec=_POSTGRES,
    ),
    "database-uri-malformed": of_service(
        SecretMalformed(
            "books",
            {"uri": "does not begin with postgresql://"},
            uri="mysql://books:hush-hush@db/books",
        ),
        "DatabaseSecretMalformed",
        *("In Secret books, key `uri` does not begin with postgresql://", "Correct it"),
        spec=_POSTGRES,
        played=Played.BOTH,
    ),
    "generated-database-secret-incomplete": of_service(
        SecretHas("demo-db", frozenset({"uri"}), frozenset({"uri", "password"})),
        "DatabaseSecretIncomplete",
        *("Secret {name}-db", "lost its key `password`", "Restore it"),
    ),
    "generated-database-secret-lost": of_service(
        SecretHas("demo-db", None, frozenset({"uri", "password"})),
        "DatabaseSecretLost",
        *("Secret {name}-db is gone", "data-{name}-db-0", "Restore"),
    ),
    "database-volume-of-somebody": of_service(
        NameTaken("PersistentVolumeClaim", "data-{name}-db-0"),
        "NameConflict",
        *("PersistentVolumeClaim named data-{name}-db-0", "does not belong", "kubectl label"),
        played=Played.CLUSTER,
    ),
    # The staff token
    "staff-secret-missing": of_service(
        secret("clerks", None),
        "StaffSecretMissing",
        *("no Secret clerks", "Create it", "32 characters", "`token`"),
        spec=_STAFF,
    ),
    "staff-secret-incomplete": of_service(
        secret("clerks", {"password"}),
        "StaffSecretIncomplete",
        *("Secret clerks", "no key `token`", "Add it"),
        spec=_STAFF,
    ),
    "staff-secret-malformed": of_service(
        SecretMalformed("clerks", {"token": "is empty", "other": "is not text"}),
        "StaffSecretMalformed",
        *("In Secret clerks, key `token` is empty", "Correct it", "openssl rand"),
        spec=_STAFF,
    ),
    "generated-staff-secret-incomplete": of_service(
        SecretHas("demo-staff", frozenset(), None),
        "StaffSecretIncomplete",
        "Secret {name}-staff has no key `token`",
        "Delete the Secret: the operator recreates it",
    ),
    # Accounts
    "signing-secret-missing": of_service(
        secret("accounts", None),
        "SigningSecretMissing",
        *("no Secret accounts", "Create it", "key set", "`keys`"),
        spec=_ACCOUNTS,
    ),
    "signing-secret-incomplete": of_service(
        secret("accounts", {"set"}),
        "SigningSecretIncomplete",
        *("Secret accounts", "no key `keys`", "Add it"),
        spec=_ACCOUNTS,
    ),
    "signing-secret-malformed": of_service(
        SecretMalformed("accounts", {"keys": "is no key set"}),
        "SigningSecretMalformed",
        *("In Secret accounts, key `keys` is no key set", "Correct it", "openssl rand"),
        spec=_ACCOUNTS,
    ),
    "generated-signing-secret-malformed": of_service(
        SecretMalformed("demo-signing-keys", {"keys": "is empty"}),
        "SigningSecretMalformed",
        "In Secret {name}-signing-keys, key `keys` is empty",
        "Delete the Secret: the operator recreates it",
    ),
    "smtp-secret-missing": of_service(
        secret("mails", None),
        "SmtpSecretMissing",
        *("no Secret mails", "Create it", "mail server", "`uri`"),
        spec=_MAILS,
    ),
    "smtp-secret-incomplete": of_service(
        secret("mails", {"url"}),
        "SmtpSecretIncomplete",
        *("Secret mails", "no key `uri`", "Add it"),
        spec=_MAILS,
    ),
    "smtp-secret-malformed": of_service(
        SecretMalformed("mails", {"uri": "names no host, or several"}),
        "SmtpSecretMalformed",
        *("In Secret mails, key `uri` names no host", "Correct it", "smtps://"),
        spec=_MAILS,
    ),
    # The cache
    "cache-secret-missing": of_cache(
        secret("redis", None),
        "CacheSecretMissing",
        *("no Secret redis", "Create it", "URI of Redis", "`uri`"),
        spec=_REDIS,
    ),
    "cache-secret-missing-for-a-release": Failure(
        secret("redis", None), "CacheSecretMissing", ("no Secret redis", "Create it"), spec=_REDIS
    ),
    "cache-secret-incomplete": of_cache(
        secret("redis", {"url"}),
        "CacheSecretIncomplete",
        *("Secret redis", "no key `uri`", "Add it"),
        spec=_REDIS,
    ),
    "cache-secret-malformed": of_cache(
        SecretMalformed("redis", {"uri": "does not begin with redis://"}),
        "CacheSecretMalformed",
        *("In Secret redis, key `uri` does not begin with redis://", "Correct it"),
        spec=_REDIS,
    ),
    "generated-cache-secret-incomplete": of_cache(
        SecretHas("demo-cache", frozenset({"uri"}), None),
        "CacheSecretIncomplete",
        "Secret {name}-cache has no key `password` and `valkey.conf`",
        "Delete the Secret",
    ),
    "cache-down": of_cache(
        Unavailable(VALKEY),
        "CacheDown",
        *("Deployment {name}-cache", "is not ready", "counts requests separately"),
    ),
    "cache-crashes": of_cache(
        PodsFail(CACHE, CRASHING),
        "PodCrashing",
        *("Deployment {name}-cache", "Pod {name}-cache-{x}", "kubectl logs"),
    ),
    "cache-image-unpullable": of_cache(
        PodsFail(CACHE, UNPULLABLE),
        "ImagePullFailed",
        *("Pod {name}-cache-{x}", "no such image", "--valkey-image"),
    ),
    "quota-for-the-cache": of_cache(
        PodsForbidden(CACHE, "exceeded quota: few, used: 2"),
        "PodCreationForbidden",
        *("Deployment {name}-cache can't create Pods", "exceeded quota: few", "Raise the quota"),
    ),
    # Rejected writes, the autoscaler, backups
    "quota-for-objects": of_write(
        *("Forbidden", 'services "demo-db" is forbidden: exceeded quota: few'),
        *("QuotaExceeded", "Service {name}-db", "exceeded quota: few", "Raise the quota"),
    ),
    "admission-webhook-rejects": of_write(
        *("Forbidden", "admission webhook said no"),
        *("ApplyRejected", "Service {name}-db", "admission webhook said no", "Fix the cause"),
    ),
    "admission-policy-rejects": Failure(
        PolicyRejects("nothing green on Mondays"),
        "ApplyRejected",
        ("Deployment {name}-green", "nothing green on Mondays", "Fix the cause"),
        played=Played.CLUSTER,
    ),
    "admission-webhook-down": of_write(
        *("InternalError", f'Internal error occurred: failed calling webhook "{WEBHOOK}": 500'),
        *("WebhookFailed", "Service {name}-db", f"webhook {WEBHOOK}", "delete its configuration"),
        cause=Cause.FAILED,
    ),
    "admission-webhook-times-out": of_write(
        "Timeout",
        f'Timeout: failed calling webhook "{WEBHOOK}": context deadline exceeded',
        *("WebhookFailed", f"webhook {WEBHOOK}", "context deadline exceeded"),
        cause=Cause.FAILED,
    ),
    "api-server-fails": of_service(
        WriteRejected("InternalError", "etcdserver: request timed out", Cause.FAILED),
        *("APIServerError", "Service {name}-db", "etcdserver: request timed out", "Retrying"),
    ),
    "unhandled-exception": of_write(
        *("InternalError", "KeyError: 'spec'", "ReconcileError", "KeyError: 'spec'", "See its log"),
        cause=Cause.INTERNAL,
    ),
    "changed-by-others": of_service(
        Contested("Service demo is changed again and again by field manager argocd: a is b."),
        *("ChangedByOthers", "field manager argocd", "Let only one of them manage the object"),
    ),
    "secrets-forbidden": of_blocker(
        Reason.SECRET_FORBIDDEN, "The operator may not read the Secrets.", hides_secrets=True
    ),
    "permission-missing": of_blocker(
        Reason.PERMISSION_MISSING, "The operator may not watch services."
    ),
    "record-unreadable": of_blocker(
        Reason.RECORD_INVALID, "BookStoreRelease demo-r2 can't be read."
    ),
    "crd-outdated": of_blocker(Reason.CRD_OUTDATED, "CRD bookstores.bookstore.dev is older."),
    "service-name-taken": of_write(
        *("NameConflict", "A Service named demo-db exists. Rename or delete it."),
        *("NameConflict", "Service named {name}-db", "Rename or delete it"),
    ),
    "deployment-name-taken": Failure(
        NameTaken("Deployment", "{name}-green"),
        "NameConflict",
        ("Deployment named {name}-green", "does not belong", "Rename or delete it"),
        played=Played.CLUSTER,
    ),
    "autoscaler-without-metrics": of_service(
        MetricsMissing(),
        "NoMetrics",
        *("HorizontalPodAutoscaler {name}", "metrics server", "spec.resources.requests.cpu"),
        cause="get pods.metrics.k8s.io",
        condition="AutoscalingHealthy",
        spec={"autoscaling": {"minReplicas": 2, "maxReplicas": 5}},
        played=Played.BOTH,
    ),
    "backups-never-start": of_service(
        NoBackups(days=3),
        "BackupOverdue",
        "No backup has succeeded yet, and the first was due at 2026-01-01 03:17 UTC",
        "17 3 * * *",
        "kubectl describe cronjob {name}-backup",
        "kubectl create job {name}-backup-$(date +%s) --from=cronjob/{name}-backup",
        condition="BackupHealthy",
        spec={"backup": {"schedule": "17 3 * * *"}},
    ),
    "backups-stop": of_service(
        LastBackup("2024-02-01T03:00:00Z"),
        "BackupOverdue",
        *("succeeded at 2024-02-01 03:00 UTC", "due at 2025-01-01 03:00 UTC", "{name}-backup"),
        condition="BackupHealthy",
        spec={"backup": {"schedule": "0 3 1 1 *"}},
        played=Played.BOTH,
    ),
}
