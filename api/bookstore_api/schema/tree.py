"""The tree of schema revisions that this code knows, as plain data, and the rules it keeps.

There are two branches. An *expand* revision only adds what the code before it tolerates; a
*contract* revision removes what only the code before it needed. A release runs the first before
the switch and the second after it. Alembic's own table names no more than the tips of what is
applied (and drops a tip that another one depends on), so what is applied is computed from here.
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
MAX_ID_LENGTH = 32  # of the column that Alembic keeps them in


class Branch(StrEnum):
    """The two branches of the schema."""

    EXPAND = "expand"
    CONTRACT = "contract"


@dataclass(frozen=True)
class Revision:
    """One step of the schema."""

    id: str
    labels: frozenset[str]
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
        found: set[str] = set()
        queue = list(ids)
        while queue:
            id_ = queue.pop()
            if id_ not in found:
                found.add(id_)
                queue += self.revisions[id_].requires if id_ in self.revisions else ()
        return frozenset(found)

    def unknown(self, ids: Iterable[str]) -> frozenset[str]:
        """Those of the ids that this code does not know: newer code has put them there."""
        return frozenset(ids) - self.revisions.keys()

    def heads(self, branch: Branch) -> frozenset[str]:
        """Return the revisions of a branch that no other of it follows: there should be one."""
        members = self.on(branch)
        followed = {id_ for member in members for id_ in self.revisions[member].follows}
        return members - followed

    def pending(self, branch: Branch, applied: Iterable[str]) -> tuple[Revision, ...]:
        """Return what reaching the head of a branch would run, in order."""
        todo = self.closure(self.heads(branch)) - frozenset(applied)
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
                follows=frozenset(to_tuple(script.down_revision, default=())),
                depends_on=frozenset(to_tuple(script.dependencies, default=())),
                summary=(script.doc or "").partition("\n")[0].rstrip("."),
            )
            for script in directory.walk_revisions()
        }
    )


def broken_rules(tree: Tree) -> list[str]:
    """Every rule that the tree breaks, a sentence each; none for a good one.

    An expand revision that depends on a contract one is the dangerous case: Alembic's
    `upgrade expand@head` would run the contract one too, without a word, before the switch.
    """
    broken: list[str] = []
    for revision in tree.revisions.values():
        broken += _broken_by(tree, revision)
    for branch in Branch:
        if len(heads := tree.heads(branch)) != 1:
            broken.append(f"The branch {branch} has {len(heads)} heads, it must have one.")
    return broken


def _broken_by(tree: Tree, revision: Revision) -> list[str]:
    broken: list[str] = []
    branches = revision.labels & set(Branch)
    if len(branches) != 1:
        broken.append(f"{revision.id} must be on one branch, expand or contract.")
    if missing := tree.unknown(revision.requires):
        broken.append(f"{revision.id} requires {', '.join(sorted(missing))}, which does not exist.")
    if Branch.EXPAND in branches:
        contracts = tree.closure([revision.id]) & tree.on(Branch.CONTRACT)
        if contracts:
            names = ", ".join(sorted(contracts))
            broken.append(f"{revision.id} (expand) requires {names} (contract): it may not.")
    if Branch.CONTRACT in branches and not revision.depends_on & tree.on(Branch.EXPAND):
        broken.append(f"{revision.id} (contract) must depend on the expand revision it completes.")
    if len(revision.id) > MAX_ID_LENGTH:
        broken.append(f"{revision.id} is longer than {MAX_ID_LENGTH} characters.")
    return broken
