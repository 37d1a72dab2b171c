"""What is wrong with a folder of migrations: by our rules, and by squawk.

squawk reads the SQL that each revision runs on PostgreSQL, by one list of what is rejected for each
branch.
"""

import io
import json
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from bookstore_api.db.schema.steps import LIMITS
from bookstore_api.db.schema.tree import Branch, alembic_config, load_tree
from migration_lint.rules import lint_sources, lint_tree, read_sources

ALLOWED = re.compile(r"^ *# squawk: allow (?P<rule>[a-z-]+): (?P<reason>\S.*)$", re.MULTILINE)
SQUAWK = Path(__file__).parent


def broken_rules(scripts: Path, squawk: Path = SQUAWK) -> list[str]:
    """Every rule that a folder of migrations breaks, a sentence each.

    `squawk` is a folder with a configuration for each branch. Raises SquawkError.
    """
    try:
        sources = read_sources(scripts)
    except SyntaxError as error:
        return [f"{error.filename} is no Python: {error.msg}, line {error.lineno}."]
    broken = lint_sources(sources)
    if any(" is the id of " in sentence for sentence in broken):
        return broken  # Alembic would take one of them
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):
            tree = load_tree(scripts)
    except (CommandError, KeyError, UserWarning) as error:
        return [*broken, f"Alembic can't make a tree of the revisions: {error}"]
    return broken + (lint_tree(tree) or list(_unsafe(scripts, squawk)))


class SquawkError(Exception):
    """squawk could not be run; the message says why."""


def _unsafe(scripts: Path, squawk: Path) -> Iterator[str]:
    """Tell what squawk says of each revision's SQL."""
    directory = ScriptDirectory.from_config(alembic_config(scripts))
    written: dict[Branch, dict[str, str]] = {branch: {} for branch in Branch}
    for script in directory.walk_revisions():
        try:
            sql = _sql(script.module)
        except Exception as error:  # noqa: BLE001 - whatever a revision does wrong
            yield (
                f"{script.revision} can't be written as SQL ({type(error).__name__}: {error}): a "
                "revision asks the database nothing, except through schema.operations."
            )
            continue
        text = Path(script.path).read_text(encoding="utf-8")
        allowed = [f"-- squawk-ignore-file {match['rule']}\n" for match in ALLOWED.finditer(text)]
        branch = next(branch for branch in Branch if branch in script.branch_labels)
        written[branch][script.revision] = "".join(allowed) + sql
    for branch, revisions in written.items():
        yield from _squawk(revisions, squawk / f"{branch}.toml")


def _sql(revision: ModuleType) -> str:
    """Write down what a revision's upgrade runs, in the transaction and by the limits it has."""
    output = io.StringIO()
    options = {"as_sql": True, "output_buffer": output, "transaction_per_migration": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    for limit in LIMITS:
        context.execute(limit)
    with Operations.context(context), context.begin_transaction(_per_migration=True):
        revision.upgrade()
    return output.getvalue()


def _squawk(revisions: Mapping[str, str], config: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="bookstore-migrations-") as name:
        paths = [Path(name) / f"{id_}.sql" for id_ in sorted(revisions)]
        for path in paths:
            path.write_text(revisions[path.stem], encoding="utf-8")
        for violation in _run_squawk(paths, config):
            revision = Path(violation["file"]).stem
            advice = f"{violation['message']} {violation['help'] or ''}"
            yield f"{revision}: {violation['rule_name']}: {advice}"


def _run_squawk(paths: Iterable[Path], config: Path) -> list[dict[str, str]]:
    program = Path(sys.executable).with_name("squawk")
    try:
        done = subprocess.run(
            [program, "--config", config, "--reporter", "json", *paths],
            check=False,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        msg = "squawk is not installed: `make setup` brings it."
        raise SquawkError(msg) from None
    try:
        violations: list[dict[str, str]] = json.loads(done.stdout)
    except ValueError:
        msg = f"squawk failed: {done.stderr.strip()}"
        raise SquawkError(msg) from None
    return violations
