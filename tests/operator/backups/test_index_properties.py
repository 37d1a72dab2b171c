"""Properties of the index over random histories of Jobs, lists, losses and killed visits."""

import json
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookstore_operator.backups.index import newest_listing, recorded
from bookstore_operator.backups.records import TAKEN, newest_first, update_backup
from bookstore_operator.core.kinds import JOBS, PODS
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.backup import BackupPhase, BookStoreBackup
from tests.operator.backups.test_index import result, shop

pytestmark = pytest.mark.scenario

BEGIN = datetime(2026, 1, 2, tzinfo=UTC)
EVENTS = (
    *("take", "take", "take", "take unseen", "see", "lose result", "lose jobs", "lose record"),
    *("verify", "damage"),
)


@cache
def before() -> tuple[Snapshot, Manifest]:
    world = shop()
    template: Manifest = world.get("CronJob", "demo-backup")["spec"]["jobTemplate"]
    return world.snapshot(), template


@dataclass
class History:
    """What the target holds, the Jobs that are kept, and the records as they are stored."""

    rng: random.Random
    target: dict[str, str] = field(default_factory=dict)
    objects: dict[ObjectRef, Manifest] = field(default_factory=dict)
    stored: tuple[BookStoreBackup, ...] = ()
    unseen: list[str] = field(default_factory=list)
    """Jobs that have ended, of which that is not observed yet."""
    count: int = 0

    @property
    def now(self) -> datetime:
        return BEGIN + timedelta(hours=self.count)

    @property
    def snapshot(self) -> Snapshot:
        start, _ = before()
        objects = {**start.objects, **self.objects}
        for name in self.unseen:
            objects[JOBS.ref(name)] = {**objects[JOBS.ref(name)], "status": {"active": 1}}
            del objects[PODS.ref(f"{name}-x")]
        return replace(start, objects=objects, backups=self.stored)

    def happen(self, event: str) -> None:
        """Let something happen between two visits."""
        self.count += 1
        if event in {"take", "take unseen", "lose result"}:
            self.take(lost=event == "lose result", unseen=event == "take unseen")
        elif event == "see":
            self.see()
        elif event == "lose jobs":
            self.objects, self.unseen = {}, []
        elif event == "lose record" and self.stored:
            gone = self.rng.choice(self.stored)
            self.stored = tuple(r for r in self.stored if r.name != gone.name)
        elif event in {"verify", "damage"}:
            self.judge("Verified" if event == "verify" else "Damaged")

    def take(self, *, lost: bool, unseen: bool) -> None:
        """Store a backup; retention deletes some, but never the newest that is verified."""
        verified = max((n for n, s in self.target.items() if s == "Verified"), default="")
        for name in [n for n in self.target if n != verified and self.rng.random() < 0.2]:
            del self.target[name]
        name = f"{self.now:%Y%m%dT%H%M%SZ}-{self.count:06x}"
        self.target[name] = "Complete"
        if lost:
            return
        newest = sorted(self.target, reverse=True)[: self.rng.choice((2, 5, 100))]
        listed = result(name, {n: self.target[n] for n in newest}, total=len(self.target))
        listed["backup"]["started"] = self.now.isoformat()
        job = f"demo-backup-{self.count}"
        self.add_job(job, listed)
        if unseen:
            self.unseen.append(job)

    def see(self) -> None:
        """Let the ends of Jobs be observed at last."""
        self.unseen = []

    def add_job(self, name: str, said: dict[str, Any]) -> None:
        _, template = before()
        at = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        done = {"type": "Complete", "status": "True", "lastTransitionTime": at}
        self.objects[JOBS.ref(name)] = {
            **JOBS.type_meta,
            "metadata": {
                **template["metadata"],
                "name": name,
                "uid": name,
                "creationTimestamp": at,
            },
            "spec": template["spec"],
            "status": {"startTime": at, "conditions": [done]},
        }
        ended = {"exitCode": 0, "finishedAt": at, "message": json.dumps(said)}
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
        self.objects[PODS.ref(f"{name}-x")] = {
            **PODS.type_meta,
            "metadata": {"name": f"{name}-x", "uid": f"{name}-x", "labels": labels},
            "status": {"containerStatuses": [{"name": "backup", "state": {"terminated": ended}}]},
        }

    def judge(self, state: str) -> None:
        """Let a verification find something about the newest backup, in the target and record."""
        taken = newest_first(self.snapshot)
        if taken and taken[0].status.backup in self.target:
            self.target[taken[0].status.backup] = state
            found = update_backup(taken[0], phase=BackupPhase(state))
            self.stored = tuple(found if r.name == found.name else r for r in self.stored)

    def visit(self, *, killed: bool) -> None:
        """Write the records down; a killed operator leaves some unwritten, or without a status."""
        known = {record.name for record in self.stored}
        after = recorded(self.snapshot, self.now)
        written = []
        for record in after:
            how = self.rng.choice(("whole", "bare", "not")) if killed else "whole"
            if how == "whole" or record.name in known:
                written.append(record)
            elif how == "bare":
                status = type(record.status)()
                written.append(record.model_copy(update={"status": status}))
        self.stored = tuple(written)


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.booleans()), max_size=12), st.integers())
@settings(deadline=None)
def test_each_backup_has_one_record_and_the_newest_verified_keeps_its_own(
    events: list[tuple[str, bool]], seed: int
) -> None:
    history = History(random.Random(seed))  # noqa: S311
    for event, killed in events:
        history.happen(event)
        proven = [
            r.status.backup
            for r in newest_first(history.snapshot)
            if r.status.phase is BackupPhase.VERIFIED
        ]
        history.visit(killed=killed)
        names = [record.name for record in history.stored]
        assert len(names) == len(set(names))
        if proven and not killed and proven[0] in history.target:
            assert proven[0] in {r.status.backup for r in history.stored}, "the newest is lost"

    history.see()
    history.visit(killed=False)
    history.visit(killed=False)
    taken = [r.status.backup for r in history.stored if r.status.phase in TAKEN]
    assert len(taken) == len(set(taken)), "two records of one backup"
    listed = newest_listing(history.snapshot)
    if listed:
        assert set(listed.states) <= set(taken), "one that the target holds has no record"
    again = history.stored
    history.visit(killed=False)
    assert history.stored == again, "it settles"
