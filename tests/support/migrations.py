"""Trees of migrations that newer code might bring, written to a folder."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from bookstore_api.schema.tree import SCRIPTS

TEMPLATE = '''"""{id}."""

import time

import sqlalchemy as sa
from alembic import op

revision = {id!r}
down_revision = {follows!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}


def upgrade() -> None:
    {body}
'''


@dataclass(frozen=True)
class Script:
    """One migration script; `body` is its upgrade."""

    id: str
    follows: str | None = None
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    body: str = "pass"

    def write(self, versions: Path) -> None:
        """Write it into a folder of scripts."""
        text = TEMPLATE.format(
            id=self.id,
            follows=self.follows,
            labels=self.labels or None,
            depends_on=self.depends_on or None,
            body=self.body,
        )
        (versions / f"{self.id}.py").write_text(text, encoding="utf-8")


def newer_code(folder: Path, *scripts: Script, known: bool = True) -> Path:
    """Make a folder of migrations: those of this code, where `known`, and more."""
    target = folder / f"migrations-{len(list(folder.iterdir()))}"
    leave_out = shutil.ignore_patterns("__pycache__", *(() if known else ("*_0*.py",)))
    shutil.copytree(SCRIPTS, target, ignore=leave_out)
    for script in scripts:
        script.write(target / "versions")
    return target
