"""The tree of schema revisions that this code knows, as plain data.

There are two branches. An *expand* revision only adds what the code before it tolerates; a
*contract* revision removes what only the code before it needed. A release runs the first before
the switch and the second after it. Alembic's own table names no more than the heads of what is
applied (and drops a head that another one depends on), so what is applied is computed from here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import to_tuple

SCRIPTS = Path(__file__).parent.parent / "migrations"
BASE = "base"  # Alembic's word for a database with no revision applied


class Branch(StrEnum):
    """The two branches of the schema."""

    EXPAND = "expand"
    CONTRACT = "contract"


@dataclass(frozen=True)
class Revision:
    """One step of the schema."""

    id: str
    labels: frozenset[str]
    """The branches that it is on; it has them from what it follows."""
    own_labels: frozenset[str]
    follows: frozenset[str]
    depends_on: frozenset[str]
    summary: str

    @property
    def requires(self) -> frozenset[str]:
        """The revisions that must be applied before it."""
        return self.follows | self.depends_on


@dataclass(frozen=True)
class Tree:
    """All revisions that this code knows, by id."""

    revisions: Mapping[str, Revision] = field(default_factory=dict)

    def on(self, branch: Branch) -> frozenset[str]:
        """Return the revisions of a branch."""
        return frozenset(r.id for r in self.revisions.values() if branch in r.labels)

    def closure(self, ids: Iterable[str]) -> frozenset[str]:
        """Add to these revisions all that they require; unknown ids stand for themselves."""
        reached: set[str] = set()
        queue = list(ids)
        while queue:
            id_ = queue.pop()
            if id_ not in reached:
                reached.add(id_)
                queue += self.revisions[id_].requires if id_ in self.revisions else ()
        return frozenset(reached)

    def unknown(self, ids: Iterable[str]) -> frozenset[str]:
        """Those of the ids that this code does not know: newer code has put them there."""
        return frozenset(ids) - self.revisions.keys()

    def heads(self, branch: Branch) -> frozenset[str]:
        """Return the revisions of a branch that no other of it follows: there should be one."""
        members = self.on(branch)
        followed = {id_ for member in members for id_ in self.revisions[member].follows}
        return members - followed

    def pending(self, branch: Branch, applied: Iterable[str]) -> tuple[Revision, ...]:
        """Return what reaching the head of a branch would run, in order.

        All of the expand branch comes before the contract one, also what that does not require.
        """
        done = frozenset(applied)
        expanding = self._ordered(self.closure(self.heads(Branch.EXPAND)) - done)
        if branch is Branch.EXPAND:
            return expanding
        done |= {revision.id for revision in expanding}
        return expanding + self._ordered(self.closure(self.heads(branch)) - done)

    def beyond(self, kept: str, applied: Iterable[str]) -> tuple[Revision, ...]:
        """Return what is to be reverted, in order, until only `kept` and what it requires is left.

        `kept` is a revision or `base`, for none.
        """
        stay = frozenset() if kept == BASE else self.closure([kept])
        return self._ordered(frozenset(applied) - stay)[::-1]

    def _ordered(self, ids: frozenset[str]) -> tuple[Revision, ...]:
        """Put revisions into an order in which each comes after all that it requires."""
        todo = ids
        ordered: list[Revision] = []
        while todo:
            # What others of the rest wait for goes first; ids only make the order the same always.
            ready = sorted(id_ for id_ in todo if not self.revisions[id_].requires & todo)
            ordered += (self.revisions[id_] for id_ in ready)
            todo -= frozenset(ready)
        return tuple(ordered)


def alembic_config(scripts: Path = SCRIPTS) -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@lru_cache
def load_tree(scripts: Path = SCRIPTS) -> Tree:
    """Read the tree from the migration scripts."""
    directory = ScriptDirectory.from_config(alembic_config(scripts))
    return Tree(
        {
            script.revision: Revision(
                id=script.revision,
                labels=frozenset(script.branch_labels),
                own_labels=frozenset(to_tuple(script.module.branch_labels, default=())),
                follows=frozenset(to_tuple(script.down_revision, default=())),
                depends_on=frozenset(to_tuple(script.dependencies, default=())),
                summary=(script.doc or "").partition("\n")[0].rstrip("."),
            )
            for script in directory.walk_revisions()
        }
    )
