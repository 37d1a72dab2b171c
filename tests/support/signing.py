"""Simulated signing keys: the Secret of a World, and what each Pod has loaded of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bookstore_operator.core.key_sets import KeySet
from bookstore_operator.core.labels import SIGNING_KEYS_ANNOTATION
from bookstore_operator.core.measurements import KeyScrape, LoadedKeys, Result, Unreadable
from bookstore_operator.core.plan import GENERATED_ID, ChangeKeySet, CreateSecret

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

if TYPE_CHECKING:
    from tests.support.world import World


@dataclass
class SimulatedKeys:
    """The Secrets of signing keys. A Pod loads a change at once, unless a test holds it back."""

    sets: dict[str, KeySet] = field(default_factory=dict)
    """Secret → what is in it."""
    held: dict[str, KeySet] = field(default_factory=dict)
    """What Pods have loaded that load nothing more, by their uids."""
    silent: dict[str, str] = field(default_factory=dict)
    """Why Pods don't answer, by their uids."""
    without_accounts: bool = False
    """The image of the Pods knows no accounts."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def observed(self, world: World) -> dict[str, KeySet]:
        """Return the key sets of the Secrets that exist."""
        return {name: keys for name, keys in self.sets.items() if name in world.secrets}

    def create(self, world: World, action: CreateSecret) -> None:
        """Carry out the creation of a Secret, if it is one of signing keys."""
        metadata = action.manifest["metadata"]
        annotations = metadata.get("annotations") or {}
        if SIGNING_KEYS_ANNOTATION in annotations:
            kid, record = f"k{next(self._numbers)}", annotations[SIGNING_KEYS_ANNOTATION]
            self.sets[metadata["name"]] = KeySet(self._version(), kid, (kid,), world.now, record)

    def change(self, action: ChangeKeySet) -> bool:
        """Carry out a change; False if the Secret has another version."""
        name = action.key.name
        current = self.sets[name]
        if current.version != action.version:
            return False
        new = f"k{next(self._numbers)}"
        added = {new} if action.publishes else set()
        kids = ({*current.kids} | added) - {*action.retires}
        record = action.annotations[SIGNING_KEYS_ANNOTATION].replace(GENERATED_ID, new)
        signing = action.signing or current.signing
        assert signing in kids, "the key to sign with is never retired"
        self.sets[name] = replace(
            current,
            version=self._version(),
            signing=signing,
            kids=tuple(sorted(kids)),
            record=record,
        )
        return True

    def put(self, name: str, signing: str, *kids: str) -> None:
        """Create a Secret as a person does."""
        self.sets[name] = KeySet(self._version(), signing, kids, BEGIN)

    def edit(self, name: str, signing: str, *kids: str, record: str | None = None) -> None:
        """Change the Secret as a person does."""
        current = self.sets[name]
        kept = current.record if record is None else record
        self.sets[name] = replace(
            current, version=self._version(), signing=signing, kids=kids, record=kept
        )

    def loaded(self, uid: str) -> KeySet | None:
        """Return what a Pod has loaded; None if there is nothing."""
        return self.held.get(uid) or next(iter(self.sets.values()), None)

    def measure(self, world: World, scrape: KeyScrape) -> Result:
        """Return what a Pod answers."""
        if why := self.silent.get(scrape.uid):
            return Unreadable(world.now, why)
        if self.without_accounts:
            return LoadedKeys(world.now, None)
        loaded = self.loaded(scrape.uid)
        if loaded is None:
            return LoadedKeys(world.now, frozenset())
        return LoadedKeys(world.now, frozenset(loaded.kids), loaded.signing)

    def _version(self) -> str:
        return f"v{next(self._numbers)}"
