"""The rules of migrations; each violation is one sentence.

Some are about the tree: an expand revision that required a contract one is the dangerous case, as
Alembic's `upgrade expand@head` would run that too, without a word, before the switch. Others are
about what a script says, read without running it: a kill at any moment must leave a database that
the next run finishes.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bookstore_api.db.schema.tree import Branch, Revision, Tree

MAX_ID_LENGTH = 32  # of the column that Alembic keeps them in
ID = re.compile(r"(?P<number>\d{4})_[a-z][a-z0-9_]*")
FIRST = "0001"
IMPORTS = frozenset({"alembic", "sqlalchemy", *sys.stdlib_module_names})
OPERATIONS = "bookstore_api.db.schema.operations"
# Alembic's ways out of the transaction.
NON_TRANSACTIONAL = frozenset({"postgresql_concurrently", "autocommit_block"})
HARMLESS = frozenset({"f", "get_context"})  # of Alembic's `op`


@dataclass(frozen=True)
class Source:
    """A migration script as it is written."""

    path: Path
    module: ast.Module

    @property
    def id(self) -> str | None:
        """The revision's id, where it is a constant."""
        for node in self.module.body:
            if isinstance(node, ast.Assign) and _names(node.targets) == ["revision"]:
                return _text(node.value)
        return None

    @property
    def functions(self) -> dict[str, ast.FunctionDef]:
        """Its functions by name."""
        return {node.name: node for node in self.module.body if isinstance(node, ast.FunctionDef)}


def read_sources(scripts: Path) -> list[Source]:
    """Read every migration script of a folder; raises SyntaxError."""
    paths = sorted((scripts / "versions").glob("*.py"))
    return [Source(path, ast.parse(path.read_text(encoding="utf-8"), path.name)) for path in paths]


def lint_sources(sources: Iterable[Source]) -> list[str]:
    """Every rule that a script breaks; none for good ones."""
    broken: list[str] = []
    ids: Counter[str] = Counter()
    for source in sources:
        broken += _lint_name(source)
        broken += _lint_functions(source)
        broken += _lint_code(source)
        ids[source.id or source.path.stem] += 1
    broken += [f"{id_} is the id of {count} scripts." for id_, count in ids.items() if count > 1]
    return broken


def lint_tree(tree: Tree) -> list[str]:
    """Every rule that the tree breaks; none for a good one."""
    broken: list[str] = []
    for revision in tree.revisions.values():
        broken += _lint_revision(tree, revision)
    for branch in Branch:
        if len(heads := tree.heads(branch)) != 1:
            broken.append(f"The branch {branch} has {len(heads)} heads, it must have one.")
    return broken


def _lint_revision(tree: Tree, revision: Revision) -> Iterator[str]:
    if missing := tree.unknown(revision.requires):
        yield f"{revision.id} requires {', '.join(sorted(missing))}, which does not exist."
        return
    branches = revision.labels & set(Branch)
    if len(branches) != 1:
        yield f"{revision.id} must be on one branch, expand or contract."
    if len(revision.id) > MAX_ID_LENGTH:
        yield f"{revision.id} is longer than {MAX_ID_LENGTH} characters."
    yield from _lint_place(tree, revision)
    if Branch.EXPAND in branches:
        if contracts := tree.closure([revision.id]) & tree.on(Branch.CONTRACT):
            names = ", ".join(sorted(contracts))
            yield f"{revision.id} (expand) requires {names} (contract): it may not."
        if revision.depends_on:
            yield f"{revision.id} (expand) depends on others: it follows what it needs."
    if Branch.CONTRACT in branches and not revision.depends_on & tree.on(Branch.EXPAND):
        yield f"{revision.id} (contract) must depend on the expand revision it completes."


def _lint_place(tree: Tree, revision: Revision) -> Iterator[str]:
    """Hold each branch to a line: one first, which has the label, then number after number."""
    if bool(revision.own_labels) != (not revision.follows):
        yield f"{revision.id}: the first of a branch has its label, and no other."
    if len(revision.follows) > 1:
        yield f"{revision.id} follows {len(revision.follows)} revisions, it may follow one."
        return
    before = "".join(revision.follows)
    if before and tree.revisions[before].labels != revision.labels - revision.own_labels:
        yield f"{revision.id} follows {before}, which is on another branch."
    if (number := ID.fullmatch(revision.id)) is None:
        yield f"{revision.id}: an id is four digits and a name, as in 0002_book_pages."
        return
    last = ID.fullmatch(before)
    due = f"{int(last['number']) + 1:04}" if last else FIRST
    if (last or not before) and number["number"] != due:
        yield f"{revision.id} must have the number {due}: it comes after {before or 'nothing'}."


def _lint_name(source: Source) -> Iterator[str]:
    if source.id is None:
        yield f"{source.path.name}: `revision` must be a constant."
    elif source.path.stem not in {f"{branch}_{source.id}" for branch in Branch}:
        yield f"{source.path.name} must be named expand_{source.id}.py or contract_{source.id}.py."


def _lint_functions(source: Source) -> Iterator[str]:
    name = source.path.name
    functions = source.functions
    if functions.keys() != {"upgrade", "downgrade"}:
        yield f"{name} must have an upgrade() and a downgrade(), and no other function."
        return
    up, down = functions["upgrade"], functions["downgrade"]
    if any(isinstance(node, ast.Raise) for node in ast.walk(down)):
        yield f"{name}: downgrade() must work, not raise."
    if _creates(up) and not _calls(down):
        yield f"{name}: downgrade() must undo what upgrade() does."


def _lint_code(source: Source) -> Iterator[str]:
    name = source.path.name
    for module in _imports(source.module):
        if module != OPERATIONS and module.partition(".")[0] not in IMPORTS:
            yield f"{name} imports {module}, which will change: write down what it is today."
    for function in source.functions.values():
        yield from _lint_calls(name, function)


def _lint_calls(name: str, function: ast.FunctionDef) -> Iterator[str]:
    calls = _calls(function)
    if any(_of("op", call) == "execute" and not _is_constant(call) for call in calls):
        yield f"{name}: op.execute() takes a constant text, so that what runs is what was read."
    if NON_TRANSACTIONAL & set(_words(function)) or any(
        "CONCURRENTLY" in text for text in _texts(function)
    ):
        yield f"{name}: outside of a transaction use {OPERATIONS}, which mends what a kill left."
    ours = {word for call in calls if (word := _of("operations", call))}
    others = {word for call in calls if (word := _of("op", call))} - HARMLESS
    if ours and others:
        yield (
            f"{name}: {function.name}() has both operations.{min(ours)} and op.{min(others)}: "
            "make it two revisions, as a kill between them would leave half."
        )


def _creates(function: ast.FunctionDef) -> bool:
    """Whether it does anything that is to be undone: filled in rows may stay."""
    words = {_of("op", call) or _of("operations", call) for call in _calls(function)}
    return bool(words - HARMLESS - {None, "backfill", "index_books", "recompute_sort_text"})


def _calls(node: ast.AST) -> list[ast.Call]:
    return [child for child in ast.walk(node) if isinstance(child, ast.Call)]


def _of(module: str, call: ast.Call) -> str | None:
    """Return which of a module's functions is called, if any."""
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id == module else None
    return None


def _is_constant(call: ast.Call) -> bool:
    """Whether its statement is written out, as it is or in sa.text()."""
    if len(call.args) != 1:
        return False
    statement = call.args[0]
    if isinstance(statement, ast.Call) and _of("sa", statement) == "text":
        return _is_constant(statement)
    return _text(statement) is not None


def _text(node: ast.AST) -> str | None:
    """Return what a constant says, where it is a text."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case _:
            return None


def _texts(node: ast.AST) -> list[str]:
    return [text.upper() for child in ast.walk(node) if (text := _text(child))]


def _words(node: ast.AST) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute):
            yield child.attr
        if isinstance(child, ast.keyword) and child.arg:
            yield child.arg


def _imports(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from names if node.module == OPERATIONS.rpartition(".")[0] else [str(node.module)]


def _names(nodes: Iterable[ast.expr]) -> list[str]:
    return [node.id for node in nodes if isinstance(node, ast.Name)]
