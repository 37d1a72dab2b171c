"""An in-memory cluster: it executes Plans, simulates the controllers, and has its own clock."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bookstore_operator.components import secrets_of_interest
from bookstore_operator.components.serving.availability import all_available
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history
from bookstore_operator.core.drift import differences
from bookstore_operator.core.kinds import RECORDS, key_of
from bookstore_operator.core.labels import (
    COLOR_LABEL,
    COMPONENT_LABEL,
    SERVICE_NAME_LABEL,
    release_selector,
)
from bookstore_operator.core.lookup import condition
from bookstore_operator.core.measurements import POLL_SECONDS, Measurement
from bookstore_operator.core.measurements import Result as Measured
from bookstore_operator.core.plan import (
    Action,
    Apply,
    ChangeKeySet,
    Create,
    CreateSecret,
    Delete,
    Event,
    ObjectRef,
    Plan,
    Scale,
    SetFinalizers,
    WriteStatus,
)
from bookstore_operator.core.snapshot import (
    Blocker,
    Contest,
    OperatorSettings,
    Rejection,
    Snapshot,
    take_snapshot,
)
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.decide import decide
from bookstore_operator.workloads import pull_secrets
from bookstore_operator.workloads.unexplained import find_unexplained
from tests.support.signing import SimulatedKeys
from tests.support.traffic import Traffic

Object = dict[str, Any]

STORE_KEY = ObjectRef("bookstore.dev/v1alpha1", "BookStore", "demo")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
VALKEY = "valkey:8"
_PROGRESSING: Object = {"type": "Progressing", "status": "True"}
PLAYED = frozenset({"Deployment", "Job", "Pod", "StatefulSet"})
MIGRATED: Object = {
    "command": "migrate",
    "code": "migrated",
    "message": "Applied 1 revision: 0001_books.",
    "schemaBefore": [],
    "schemaAfter": ["0001_books"],
}


DESCRIBED: Object = {
    "command": "contract",
    "code": "described",
    "message": "bookstore-api 0.1.0 keeps version 1 of the contract.",
    "contract": 1,
    "version": "0.1.0",
    "heads": {"expand": ["0001_books"], "contract": []},
    "connectionsPerPod": 6,
}
CURRENT: Object = {
    "command": "check-schema",
    "code": "current",
    "message": "The schema is current.",
    "schemaBefore": ["0001_books"],
    "schemaAfter": ["0001_books"],
    "connections": {
        "server": {"limit": 997, "heldByOthers": 3},
        "role": {"limit": None, "heldByOthers": 0},
        "database": {"limit": None, "heldByOthers": 0},
        "pooled": False,
    },
}
PASSED: Object = {"command": "smoke", "code": "passed", "message": "All steps passed."}
CONTRACTED: Object = {
    "command": "migrate",
    "code": "migrated",
    "message": "Applied 1 revision: 0001_contract.",
    "schemaBefore": ["0001_books"],
    "schemaAfter": ["0001_books", "0001_contract"],
}
TO_CONTRACT: Object = {
    **DESCRIBED,
    "heads": {"expand": ["0001_books"], "contract": ["0001_contract"]},
}
"""The answer of an image with a contract revision."""
BACKUP_NAME = "20260101T000000Z-00000a"
BACKED_UP: Object = {
    "command": "create",
    "code": "done",
    "message": f"Backed up 5 rows of 2 tables as {BACKUP_NAME} in 0.1 s: 1 KiB, read back.",
    "backup": {"name": BACKUP_NAME, "size": 1024, "schemaRevisions": ["0001_books"]},
    "deleted": [],
    "backups": [{"name": BACKUP_NAME, "state": "Complete", "size": 1024}],
    "total": 1,
}
RESTORED: Object = {
    "command": "restore",
    "code": "done",
    "message": "Restored 5 rows of 20251231T031700Z-3fa91c in 2.5 s, the same as were backed up.",
    "name": "20251231T031700Z-3fa91c",
    "rows": 5,
    "seconds": {"restore": 2.25, "analyze": 0.25, "compare": 1.0},
    "schemaRevisions": ["0001_books"],
}
WHOLE: Object = {"command": "verify", "code": "done", "message": f"{BACKUP_NAME} is whole."}
SUCCESSES = frozenset(
    {"migrated", "nothing-to-do", "described", "current", "ahead", "passed", "done"}
)
QUICK: Object = {"watch": {"seconds": 0}, "rollbackWindowSeconds": 0}


class ConflictError(Exception):
    """The API server rejects a write that was decided on an outdated object."""


@dataclass
class World:
    """Objects by key, the clock, and how the simulated programs behave."""

    spec: Object = field(default_factory=lambda: {"image": "api:1"})
    name: str = "demo"
    now: datetime = BEGIN
    objects: dict[ObjectRef, Object] = field(default_factory=dict)
    secrets: dict[str, frozenset[str]] = field(default_factory=dict)
    secret_owners: dict[str, set[str]] = field(default_factory=dict)
    """The uids of the owners of the operator's Secrets."""
    events: list[Event] = field(default_factory=list)
    done: list[Action] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Images whose Pods never become available."""
    ailing: dict[str, Object] = field(default_factory=dict)
    """The status of failing Pods of `Deployment/api:2`, `Job/api:2` or `StatefulSet/db`."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why the Pods of `Deployment/api:2` can't be created."""
    keys: SimulatedKeys = field(default_factory=SimulatedKeys)
    """The signing keys, and which of them the Pods have loaded."""
    warned: dict[ObjectRef, str] = field(default_factory=dict)
    """Warning events about objects."""
    malformed: dict[str, dict[str, str]] = field(default_factory=dict)
    """Why values in Secrets are invalid: Secret → key → reason."""
    pull_secrets: dict[str, str] = field(default_factory=dict)
    """Why image pull secrets are invalid, by name."""
    webhook: Callable[[Object], None] = lambda _: None
    """Changes objects while they are applied."""
    overridden: dict[ObjectRef, frozenset[str]] = field(default_factory=dict)
    """What remained different when an object was applied."""
    rejection: Rejection | None = None
    """The write that the API server rejects."""
    contests: tuple[Contest, ...] = ()
    """The objects that others change again and again."""
    host_taken_by: str = ""
    """Which other BookStore has the host of this one."""
    blocker: Blocker | None = None
    """Why no step of a release can be taken."""
    servers: dict[str, str] = field(default_factory=dict)
    """Which database the URIs of a Secret name; by default the Secret's own name."""
    database_up: bool = True
    endpoints_follow: bool = True
    """The active Service's EndpointSlices are kept up to date."""
    pods_lag: bool = False
    """The end of a Job is seen before that of its Pod, which has the result."""
    unseen: dict[str, Object] = field(default_factory=dict)
    """The states of Pods that are seen later, by name."""
    migration: Object | None = field(default_factory=lambda: MIGRATED)
    """The termination message of migration Jobs; None: they run and do not end."""
    answers: dict[str, Object | str | None] = field(default_factory=dict)
    """What `contract`, `check-schema` and `smoke` answer, by command, or by command and image as in
    `contract api:2`: an outcome, any other termination message, or None: they do not end."""
    pushed: dict[str, int] = field(default_factory=dict)
    """How often the tag of an image was pushed again."""
    lost: dict[str, Object] = field(default_factory=dict)
    """The status of Pods of checks that end without an answer, by command, as of the evicted."""
    contracted: Object | None = field(default_factory=lambda: CONTRACTED)
    """The termination message of Jobs that contract the schema; None: they do not end."""
    backup_images: dict[int, str] = field(default_factory=lambda: {18: "backup:18"})
    backup: Object | None = field(default_factory=lambda: BACKED_UP)
    """The termination message of backup Jobs; None: they run and do not end."""
    restored: Object | None = field(default_factory=lambda: RESTORED)
    """The termination message of restore Jobs; None: they run and do not end."""
    verified: Object | None = field(default_factory=lambda: WHOLE)
    """The termination message of Jobs that verify backups; None: they run and do not end."""
    switches: list[str] = field(default_factory=list)
    limits: bool = False
    """Jobs end after their `activeDeadlineSeconds`."""
    quick: bool = True
    """Releases are not watched and keep no warm color, unless a test's spec says how."""
    traffic: Traffic = field(default_factory=Traffic)
    """What users ask, and what the Pods' metrics say of it."""
    measured: dict[Measurement, Measured] = field(default_factory=dict)
    """The results of what the last Plan wanted to have measured."""
    _uids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        """Create the BookStore."""
        self.create_store(self.spec)

    # Users ---------------------------------------------------------------------------------

    def restart_operator(self) -> World:
        """Forget what the operator has in memory only."""
        self.measured = {}
        return self

    def create_store(self, spec: Object) -> None:
        store = {
            "apiVersion": STORE_KEY.api_version,
            "kind": STORE_KEY.kind,
            "metadata": {"name": self.name, "namespace": "shop"},
            "spec": copy.deepcopy(spec),
        }
        self._put(store)

    def change(self, **fields: Any) -> World:
        """Change fields of the BookStore's spec; None removes a field."""
        spec = {**self.store["spec"], **fields}
        self._put({**self.store, "spec": {k: v for k, v in spec.items() if v is not None}})
        return self

    def create_restore(self, name: str = "monday", **spec: Any) -> World:
        """Create a BookStoreRestore, with the API server's defaults."""
        restore = {
            "apiVersion": STORE_KEY.api_version,
            "kind": "BookStoreRestore",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"storeName": self.name, "source": {}, "into": {"embedded": {}}, **spec},
        }
        self._put(restore)
        return self

    def restore(self, name: str = "monday") -> Object:
        """Return the status of a BookStoreRestore."""
        status: Object = self.get("BookStoreRestore", name).get("status", {})
        return status

    def delete_store(self) -> None:
        """Delete the BookStore and its dependents, as the garbage collector does.

        Finalizers hold it; then nothing is collected yet.
        """
        metadata = self.objects[self.key]["metadata"]
        if metadata.get("finalizers"):
            metadata.setdefault("deletionTimestamp", _rfc3339(self.now))
            return
        gone = {self.objects.pop(self.key)["metadata"]["uid"]}
        while dependents := [key for key, obj in self.objects.items() if _owners(obj) & gone]:
            for key in dependents:
                obj = self.objects.pop(key)
                gone.add(obj["metadata"]["uid"])
                policy = obj.get("spec", {}).get("persistentVolumeClaimRetentionPolicy", {})
                if policy.get("whenDeleted") == "Delete":
                    self.objects.pop(ObjectRef("v1", "PersistentVolumeClaim", self.claim), None)
        for name in [name for name, owners in self.secret_owners.items() if owners & gone]:
            self.secrets.pop(name, None)

    def orphan_store(self) -> None:
        """Delete the BookStore alone, as `kubectl delete --cascade=orphan` does."""
        gone = self.objects.pop(self.key)["metadata"]["uid"]
        for obj in self.objects.values():
            owners = obj["metadata"].get("ownerReferences", [])
            if kept := [owner for owner in owners if owner["uid"] != gone]:
                obj["metadata"]["ownerReferences"] = kept
            else:
                obj["metadata"].pop("ownerReferences", None)
        for uids in self.secret_owners.values():
            uids.discard(gone)

    def delete_release(self, name: str) -> None:
        """Delete a release by hand; the garbage collector deletes its Jobs."""
        del self.objects[ObjectRef(STORE_KEY.api_version, "BookStoreRelease", name)]
        self._collect()

    def lose(self, kind: str) -> World:
        """Delete all objects of a kind by hand."""
        self.objects = {key: obj for key, obj in self.objects.items() if key.kind != kind}
        return self

    def add(self, *objects: Object) -> None:
        """Store objects as they are."""
        self.objects |= {key_of(obj): obj for obj in objects}

    # Queries -------------------------------------------------------------------------------

    @property
    def key(self) -> ObjectRef:
        return ObjectRef(STORE_KEY.api_version, STORE_KEY.kind, self.name)

    @property
    def claim(self) -> str:
        return f"data-{self.name}-db-0"

    @property
    def store(self) -> Object:
        return self.objects[self.key]

    def get(self, kind: str, name: str) -> Object:
        return next(o for k, o in self.objects.items() if (k.kind, k.name) == (kind, name))

    def has(self, kind: str, name: str) -> bool:
        return any((key.kind, key.name) == (kind, name) for key in self.objects)

    def all(self, kind: str) -> list[Object]:
        return [obj for key, obj in sorted(self.objects.items(), key=_name) if key.kind == kind]

    def release(self, name: str) -> Object:
        status: Object = self.get("BookStoreRelease", name).get("status", {})
        return status

    def replicas(self, color: str) -> int:
        replicas: int = self.get("Deployment", f"{self.name}-{color}")["spec"]["replicas"]
        return replicas

    def condition(self, kind: str) -> tuple[str, str]:
        """Return a condition's status and reason."""
        for item in self.store.get("status", {}).get("conditions", []):
            if item["type"] == kind:
                return item["status"], item["reason"]
        return "absent", ""

    def message(self, kind: str) -> str:
        matching = (c for c in self.store["status"]["conditions"] if c["type"] == kind)
        return str(next(matching)["message"])

    def snapshot(self) -> Snapshot:
        store = BookStore.model_validate(self.store)
        mine = {key: obj for key, obj in self.objects.items() if key != self.key}
        objects = {key: obj for key, obj in mine.items() if key.kind not in RECORDS}
        can_not_pull = pull_secrets.secrets_of_interest(objects)
        records = [obj for key, obj in mine.items() if key.kind in RECORDS]
        used = secrets_of_interest(store, records)
        unexplained = find_unexplained(objects, self.now)
        return take_snapshot(
            store,
            records,
            objects,
            secrets={
                name: {key: self.malformed.get(name, {}).get(key) for key in keys}
                for name, keys in self.secrets.items()
                if name in used
            },
            databases={name: self.servers.get(name, name) for name in self.secrets if name in used},
            secret_owners={
                name: frozenset(owners)
                for name, owners in self.secret_owners.items()
                if name in used and name in self.secrets
            },
            key_sets=self.keys.observed(self),
            pull_secrets={
                name: reason for name, reason in self.pull_secrets.items() if name in can_not_pull
            },
            warnings={key: self.warned[key] for key in unexplained if key in self.warned},
            overridden={key: left for key, left in self.overridden.items() if left},
            settings=OperatorSettings(
                postgres_image="postgres:18",
                valkey_image=VALKEY,
                backup_images=self.backup_images,
            ),
            rejection=self.rejection,
            contests=self.contests,
            host_taken_by=self.host_taken_by,
            blocker=self.blocker,
            measurements=dict(self.measured),
        )

    def migrations(self) -> list[Object]:
        return [job for job in self.all("Job") if migrates(job)]

    def running_migrations(self) -> list[str]:
        jobs = self.migrations()
        over = ("conditions", "succeeded", "failed")
        return [
            job["metadata"]["name"]
            for job in jobs
            if not any(job.get("status", {}).get(key) for key in over)
        ]

    def picture(self) -> str:
        """Return all objects as text, for comparisons."""
        return json.dumps([self.objects[key] for key in sorted(self.objects, key=str)])

    # Time ----------------------------------------------------------------------------------

    def reconcile(self, stop_after: int | None = None) -> Plan:
        """Decide once and execute the Plan, or only its first actions, as if killed after them."""
        plan = decide(self.snapshot(), self.now)
        self._keep_measuring(plan)
        try:
            for action in plan.actions[:stop_after]:
                self._do(action)
        except ConflictError:
            return plan  # the operator decides again; the remaining actions are not executed
        if stop_after is None:
            self.events += plan.events
        return plan

    def tick(self) -> bool:
        """Let the controllers act once; returns whether anything has changed."""
        before = self.picture()
        while self.unseen:
            name, status = self.unseen.popitem()
            if self.has("Pod", name):
                self._put({**self.get("Pod", name), "status": status})
        self._collect()
        for obj in list(self.objects.values()):
            if play := {
                "StatefulSet": self._serve,
                "Job": self._run,
                "Deployment": self._scale,
            }.get(obj["kind"]):
                play(obj)
        for service in self.all("Service"):
            if self.endpoints_follow or service["metadata"]["name"] != self.name:
                self._send_users(service)
        return before != self.picture()

    def step(self) -> bool:
        """Reconcile and let the controllers act; returns whether anything has changed."""
        before = self.measured.keys()
        plan = self.reconcile()
        changed = self.tick()
        is_new = self.measure(plan) - before
        if plan.actions or changed or is_new:
            return True
        pause = [plan.requeue_after] if plan.requeue_after else []
        pause += [timedelta(seconds=POLL_SECONDS)] if plan.measurements else []
        if pause:
            self.wait(min(pause).total_seconds())
            self.measure(plan)
        return bool(pause)

    def _keep_measuring(self, plan: Plan) -> None:
        self.measured = {m: r for m, r in self.measured.items() if m in plan.measurements}

    def measure(self, plan: Plan) -> set[Measurement]:
        """Take the measurements of a Plan, as the operator does beside its visits."""
        for measurement in plan.measurements:
            self.measured[measurement] = self.traffic.measure(self, measurement)
        return set(plan.measurements)

    def settle(self, rounds: int = 60) -> World:
        """Continue until nothing changes any more; the clock jumps to each requested visit."""
        for _ in range(rounds):
            if not self.step():
                return self
        raise AssertionError(f"not settled after {rounds} rounds: {self.reconcile().actions}")

    def run_until(self, condition: Callable[[World], bool], rounds: int = 60) -> World:
        """Continue until a condition holds."""
        for _ in range(rounds):
            if condition(self):
                return self
            self.step()
        raise AssertionError(f"the condition did not hold within {rounds} rounds")

    def reach(self, stage: str, release: str = "demo-r2") -> World:
        """Continue until a release is at a stage."""
        return self.run_until(
            lambda _: (
                self.has("BookStoreRelease", release)
                and self.release(release).get("stage") == stage
            )
        )

    def steps(self, count: int) -> World:
        """Take so many steps."""
        for _ in range(count):
            self.step()
        return self

    def wait(self, seconds: float) -> World:
        self.traffic.count(self, seconds)
        self.now += timedelta(seconds=seconds)
        return self

    # The API server ----------------------------------------------------------------------

    def _do(self, action: Action) -> None:
        self.done.append(action)
        match action:
            case Apply():
                self._apply(action)
            case Create():
                if key_of(action.manifest) in self.objects:
                    raise ConflictError(key_of(action.manifest))
                if migrates(dict(action.manifest)):
                    assert not self.running_migrations(), "two migrations at once"
                self._put(copy.deepcopy(dict(action.manifest)))
            case CreateSecret() | ChangeKeySet():
                self._write_secret(action)
            case Scale():
                deployment = self.get("Deployment", action.deployment)
                spec = {**deployment["spec"], "replicas": action.replicas}
                self._put({**deployment, "spec": spec})
            case Delete():
                gone = self.objects[action.key]["metadata"]
                assert gone["uid"] == action.uid
                if action.resource_version not in {None, gone.get("resourceVersion")}:
                    raise ConflictError(action.key)
                del self.objects[action.key]
            case SetFinalizers() | WriteStatus():
                self._write_part(action)

    def _write_secret(self, action: CreateSecret | ChangeKeySet) -> None:
        if isinstance(action, ChangeKeySet):
            if not self.keys.change(action):
                raise ConflictError(action.key)
            return
        name = action.manifest["metadata"]["name"]
        assert name not in self.secrets, "an existing Secret is never recreated"
        self.secrets[name] = frozenset({*action.manifest.get("stringData", {}), *action.keys})
        self.secret_owners[name] = _owners(dict(action.manifest))
        self.keys.create(self, action)

    def _write_part(self, action: SetFinalizers | WriteStatus) -> None:
        obj = self.objects[action.key]
        if isinstance(action, WriteStatus):
            self._put({**obj, "status": copy.deepcopy(dict(action.status))})
            return
        if tuple(obj["metadata"].get("finalizers") or ()) != action.observed:
            raise ConflictError(action.key)
        self._put({**obj, "metadata": {**obj["metadata"], "finalizers": [*action.finalizers]}})
        if self.store["metadata"].get("deletionTimestamp"):
            self.delete_store()

    def _apply(self, action: Apply) -> None:
        manifest = copy.deepcopy(dict(action.manifest))
        if manifest["kind"] == "Secret":
            assert manifest["metadata"]["name"] in self.secrets
            self.secret_owners[manifest["metadata"]["name"]] = _owners(manifest)
            return
        current = self.objects.get(key_of(manifest))
        if manifest["kind"] == "BookStoreRelease":
            assert current, "only the operator creates releases, and whole"
            metadata = {**current["metadata"], **manifest["metadata"]}
            spec = {**current["spec"], **manifest.get("spec", {})}
            self._put({**current, "metadata": metadata, "spec": spec})
            return
        version = action.expected_resource_version
        if current and version and current["metadata"]["resourceVersion"] != version:
            raise ConflictError(key_of(manifest))
        if manifest["kind"] == "Deployment" and COLOR_LABEL in manifest["metadata"]["labels"]:
            assert "replicas" not in manifest["spec"], "replica counts are set by /scale only"
            manifest["spec"]["replicas"] = current["spec"]["replicas"] if current else 1
        if manifest["kind"] == "Service" and manifest["metadata"]["name"] == self.name:
            self._check_switch(current, manifest)
        if current and "status" in current:
            manifest["status"] = current["status"]
        self.webhook(manifest)
        self._put(manifest)
        self.overridden[key_of(manifest)] = frozenset(
            d.text for d in differences(action.manifest, manifest)
        )

    def _check_switch(self, current: Object | None, service: Object) -> None:
        """Assert that users are never sent to a color that is not available."""
        selector = service["spec"]["selector"]
        if current and current["spec"]["selector"] == selector:
            return
        snapshot = self.snapshot()
        active = history.active(snapshot)
        assert active is not None
        assert release_selector(active) == selector, "the Service follows the record"
        repaired = self.switches[-1:] == [active.name]  # its Pods may have gone since
        if not repaired and active.status.promoted_at == self.now.replace(microsecond=0):
            deployment = self.get("Deployment", f"{self.name}-{active.spec.color}")
            assert all_available(deployment, live_size(snapshot)), "the new color is not available"
        self.switches.append(active.name)

    def _put(self, obj: Object) -> None:
        """Store an object as the API server does: with defaults, versions and generations."""
        key = key_of(obj)
        current = self.objects.get(key)
        _default(obj)
        if obj["kind"] == "BookStore" and self.quick:
            obj["spec"] = {**obj["spec"], "rollout": {**QUICK, **obj["spec"].get("rollout", {})}}
        generation = current["metadata"]["generation"] if current else 1
        if current and current.get("spec") != obj.get("spec"):
            generation += 1
        obj["metadata"] = {
            **obj["metadata"],
            "uid": current["metadata"]["uid"] if current else f"uid-{next(self._uids)}",
            "creationTimestamp": _rfc3339(self.now) if not current else _created(current),
            "generation": generation,
            "resourceVersion": str(next(self._uids)),
        }
        self.objects[key] = obj

    # The controllers -----------------------------------------------------------------------

    def _collect(self) -> None:
        """Delete objects whose owner is deleted, as the garbage collector does."""
        uids = {obj["metadata"].get("uid") for obj in self.objects.values()}
        lost = [k for k, o in self.objects.items() if _owners(o) and not _owners(o) & uids]
        for key in lost:
            del self.objects[key]

    def _serve(self, server: Object) -> None:
        template = server["spec"]["volumeClaimTemplates"][0]
        name, own = server["metadata"]["name"], f"{self.name}-db"
        claim = ObjectRef("v1", "PersistentVolumeClaim", f"data-{name}-0")
        if not server["spec"]["replicas"]:
            if self.objects.get(claim, {"metadata": {}})["metadata"].get("deletionTimestamp"):
                del self.objects[claim]  # no Pod uses it any more
            server["status"] = {"readyReplicas": 0}
            return
        if claim not in self.objects:
            metadata = {"name": claim.name, "labels": template["metadata"]["labels"]}
            kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
            self._put({**kind, "metadata": metadata, "spec": template["spec"]})
        if name != own:
            self._own_claim(server, claim)
        elif (
            server["spec"].get("persistentVolumeClaimRetentionPolicy", {}).get("whenDeleted")
            == "Delete"
        ):
            owner = {"kind": "StatefulSet", "name": server["metadata"]["name"]}
            owner["uid"] = server["metadata"]["uid"]
            self.objects[claim]["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
        ails = self._ails(server, "StatefulSet/db")
        up = self.database_up and not ails and name in self.secrets
        server["status"] = {"readyReplicas": 1 if up else 0}

    def _own_claim(self, server: Object, key: ObjectRef) -> None:
        """Give a claim the owner that its StatefulSet's retention policy asks for."""
        deleted = server["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
        owners = [{"kind": "StatefulSet", "uid": server["metadata"]["uid"]}] if deleted else []
        claim = self.objects[key]
        if claim["metadata"].get("ownerReferences", []) != owners:
            self._put({**claim, "metadata": {**claim["metadata"], "ownerReferences": owners}})

    def _run(self, job: Object) -> None:
        if job.get("status", {}).get("conditions"):
            return
        if job["spec"].get("suspend"):
            job.setdefault("status", {})
            return
        if self.limits and self._is_late(job):
            failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
            job["status"] = {"conditions": [{**failed, "lastTransitionTime": _rfc3339(self.now)}]}
            return
        checks = job["metadata"]["labels"].get(COMPONENT_LABEL) == "check"
        if self._ails(job, f"{'Check' if checks else 'Job'}/{_image(job)}"):
            job["status"] = {"active": 1}
            return
        template = job["spec"]["template"]["spec"]["containers"][0]
        command = " ".join(template.get("args") or [])
        result = self._answer(command, _image(job)) if checks else self._result_of(job)
        job["status"] = {"active": 1}
        if lost := self.lost.get(command):
            self._end(job, succeeded=False)
            self._add_pod(job, copy.deepcopy(lost))
        elif result is not None:
            succeeded = isinstance(result, dict) and result.get("code") in SUCCESSES
            self._end(job, succeeded=succeeded)
            self._add_pod(job, self._terminated(job, result, succeeded=succeeded))

    def _is_late(self, job: Object) -> bool:
        """Whether a Job has run for longer than it may; a suspended one never has."""
        age = self.now - datetime.fromisoformat(_created(job))
        limit = job["spec"].get("activeDeadlineSeconds")
        return bool(limit) and not job["spec"].get("suspend") and age.total_seconds() >= limit

    def _answer(self, command: str, image: str) -> Object | str | None:
        """Return the termination message of a check of an image."""
        of_command = command.split(" ", maxsplit=1)[0]
        usual = {"contract": DESCRIBED, "check-schema": CURRENT, "smoke": PASSED}[of_command]
        answers: dict[str, Object | str | None] = {of_command: usual, **self.answers}
        return answers.get(f"{of_command} {image}", answers[of_command])

    def _end(self, job: Object, *, succeeded: bool) -> None:
        ended = {"type": "Complete" if succeeded else "Failed", "status": "True"}
        job["status"] = {"conditions": [{**ended, "lastTransitionTime": _rfc3339(self.now)}]}

    def _terminated(self, job: Object, result: Object | str, *, succeeded: bool) -> Object:
        """Return the status of a Job's Pod whose container has ended."""
        text = result if isinstance(result, str) else json.dumps(result)
        exit_code = 0 if succeeded else 1 if isinstance(result, dict) else 2
        container = job["spec"]["template"]["spec"]["containers"][0]
        state = {"terminated": {"exitCode": exit_code, "message": text}}
        name, image_id = container["name"], self.image_id(_image(job))
        return {
            "phase": "Succeeded" if succeeded else "Failed",
            "containerStatuses": [{"name": name, "imageID": image_id, "state": state}],
        }

    def _add_pod(self, job: Object, status: Object) -> None:
        name = job["metadata"]["name"]
        labels = job["spec"]["template"]["metadata"]["labels"]
        metadata = {
            "name": f"{name}-x",
            "labels": {**labels, "batch.kubernetes.io/job-name": name},
            "ownerReferences": [{"uid": job["metadata"]["uid"]}],
        }
        if self.pods_lag:
            self.unseen[f"{name}-x"] = status
            status = {"phase": "Running", "containerStatuses": []}
        self._put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})

    def image_id(self, image: str) -> str:
        """Return the ID of an image; `pushed` says how often its tag was pushed again."""
        content = image.rpartition("/")[2]  # the same in a mirror
        return f"registry.example/x@sha256:{content}-{self.pushed.get(image, 0)}"

    def _result_of(self, job: Object) -> Object | None:
        """Return the termination message of a Job; None if it runs on."""
        component = job["metadata"]["labels"].get(COMPONENT_LABEL)
        container = job["spec"]["template"]["spec"]["containers"][0]
        if component in {"backup", "verify"}:
            return self.backup if component == "backup" else self.verified
        if component == "restore":
            return self.restored
        contracts = container.get("args") == ["migrate", "--to", "contract"]
        return self.contracted if contracts else self.migration

    def _scale(self, deployment: Object) -> None:
        before = deployment.get("status", {})
        wanted = deployment["spec"]["replicas"]
        image = _image(deployment)
        ails = self._ails(deployment, f"Deployment/{image}")
        available = 0 if image in self.broken or ails else wanted
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": available,
            "availableReplicas": available,
        }
        deployment["status"]["conditions"] = [self._progressing(deployment, before)]
        self._run_pods(deployment, available)
        if why := self.refused.get(f"Deployment/{image}"):
            failure = {"type": "ReplicaFailure", "status": "True", "message": why}
            deployment["status"] |= {"conditions": [failure], "availableReplicas": 0}

    def _progressing(self, deployment: Object, before: Object) -> Object:
        """Return a Deployment's Progressing condition, as its controller does."""
        spec, status = deployment["spec"], deployment["status"]
        current = next(
            (item for item in before.get("conditions", []) if item["type"] == "Progressing"),
            {"reason": "", "lastUpdateTime": _rfc3339(self.now)},
        )
        same = before.get("observedGeneration") == status["observedGeneration"]
        if status["availableReplicas"] == spec["replicas"] or (
            same and current["reason"] == "NewReplicaSetAvailable"
        ):
            return {**_PROGRESSING, "reason": "NewReplicaSetAvailable", "lastUpdateTime": ""}
        since = (
            current["lastUpdateTime"] if same and current["lastUpdateTime"] else _rfc3339(self.now)
        )
        late = (self.now - datetime.fromisoformat(since)).total_seconds()
        if late >= spec["progressDeadlineSeconds"]:
            exceeded = {"status": "False", "reason": "ProgressDeadlineExceeded"}
            return {**_PROGRESSING, **exceeded, "lastUpdateTime": since}
        return {**_PROGRESSING, "reason": "ReplicaSetUpdated", "lastUpdateTime": since}

    def _run_pods(self, deployment: Object, count: int) -> None:
        """Give a Deployment `count` Pods of its template, all ready, and no others."""
        owner, labels = deployment["metadata"], deployment["spec"]["template"]["metadata"]["labels"]
        wanted = {f"{owner['name']}-{number}" for number in range(count)}
        for pod in self.all("Pod"):
            metadata = pod["metadata"]
            mine = owner["uid"] in _owners(pod) and "ails" not in metadata["labels"]
            if mine and (metadata["name"] not in wanted or metadata["labels"] != labels):
                del self.objects[key_of(pod)]
        for name in sorted(wanted):
            if not self.has("Pod", name):
                metadata = {
                    "name": name,
                    "labels": labels,
                    "ownerReferences": [{"uid": owner["uid"]}],
                }
                ready = {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "phase": "Running",
                    "containerStatuses": [self._running(deployment)],
                }
                pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": ready}
                self._put(pod)

    def _running(self, deployment: Object) -> Object:
        main = deployment["spec"]["template"]["spec"]["containers"][0]["name"]
        image_id = self.image_id(_image(deployment))
        return {"name": main, "ready": True, "imageID": image_id, "state": {"running": {}}}

    def _send_users(self, service: Object) -> None:
        """Keep a Service's EndpointSlice up to date."""
        labels = {**service["metadata"]["labels"], SERVICE_NAME_LABEL: service["metadata"]["name"]}
        selector = service["spec"]["selector"].items()
        chosen = [pod for pod in self.all("Pod") if selector <= pod["metadata"]["labels"].items()]
        manifest = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{service['metadata']['name']}-x",
                "labels": labels,
                "ownerReferences": [{"uid": service["metadata"]["uid"]}],
            },
            "addressType": "IPv4",
            "endpoints": [
                {
                    "targetRef": {"kind": "Pod", "uid": pod["metadata"]["uid"]},
                    "conditions": {"ready": bool(condition(pod, "Ready"))},
                }
                for pod in chosen
            ],
        }
        current = self.objects.get(key_of(manifest))
        if current is None or current["endpoints"] != manifest["endpoints"]:
            self._put(manifest)

    def _ails(self, owner: Object, what: str) -> bool:
        """Create or remove an owner's failing Pod; returns whether its Pods are failing."""
        name = f"{owner['metadata']['name']}-x"
        key = ObjectRef("v1", "Pod", name)
        ailment = self.ailing.get(what)
        if ailment is None or not owner["spec"].get("replicas", 1):
            current = self.objects.get(key)
            if current and "ails" in current["metadata"]["labels"]:
                del self.objects[key]
            return False
        main = owner["spec"]["template"]["spec"]["containers"][0]["name"]
        ailment = copy.deepcopy(ailment)
        for container in ailment.get("containerStatuses", []):
            container["name"] = main if container["name"] == "api" else container["name"]
        job = {"batch.kubernetes.io/job-name": owner["metadata"]["name"]}
        own = job if owner["kind"] == "Job" else {}
        if self.objects.get(key, {}).get("status") != ailment:
            metadata = {
                "name": name,
                "labels": {**owner["spec"]["template"]["metadata"]["labels"], **own, "ails": ""},
                "ownerReferences": [{"uid": owner["metadata"]["uid"]}],
            }
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": ailment}
            secrets = owner["spec"]["template"]["spec"].get("imagePullSecrets", [])
            self._put({**pod, "spec": {"nodeName": "node", "imagePullSecrets": secrets}})
        return True


def migrates(obj: Object) -> bool:
    """Whether an object belongs to a migration."""
    return bool(obj["metadata"].get("labels", {}).get(COMPONENT_LABEL) == "migration")


def _image(obj: Object) -> str:
    return str(obj["spec"]["template"]["spec"]["containers"][0]["image"])


def _default(obj: Object) -> None:
    """Add fields, as an API server's defaults do."""
    if obj["kind"] in {"BookStore", *RECORDS}:
        return
    obj.setdefault("spec", {})["defaulted"] = True
    for container in obj["spec"].get("template", {}).get("spec", {}).get("containers", []):
        container["defaulted"] = True


def _owners(obj: Object) -> set[str]:
    return {owner["uid"] for owner in obj["metadata"].get("ownerReferences", [])}


def _name(item: tuple[ObjectRef, Object]) -> str:
    return item[0].name


def _created(obj: Object) -> str:
    return str(obj["metadata"]["creationTimestamp"])


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
