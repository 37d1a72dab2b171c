"""Print trees, tables and data: with colors on a terminal, as plain text elsewhere."""

import json
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from kubectl_bookstore.views.text import clean
from kubectl_bookstore.views.tree import Mark, Node


class Format(StrEnum):
    """The formats of `--output`."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


_STYLES = {
    Mark.GOOD: "green",
    Mark.WAITING: "yellow",
    Mark.BAD: "bold red",
    Mark.PROBLEM: "bold yellow",
    Mark.PAUSED: "bold blue",
    Mark.NOT_REACHED: "dim",
    Mark.NONE: "",
}
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_ASCII = str.maketrans("✔◷✖·‖├└─│→…�", "v~x.=+`-|>.?")


def say(text: str = "") -> None:
    """Print a line of plain text, which may be of the cluster."""
    _print(Text(text))


def complain(text: str) -> None:
    """Print an error."""
    sys.stderr.write(f"kubectl bookstore: {_encodable(text, sys.stderr)}\n")


def note(text: str) -> None:
    """Print what a person should know and a script should not read."""
    sys.stderr.write(f"{_encodable(text, sys.stderr)}\n")


def print_data(data: Any, form: Format) -> None:
    """Print data as JSON or YAML."""
    if form is Format.JSON:
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        copy = json.loads(json.dumps(data))  # shared parts would become YAML anchors
        sys.stdout.write(yaml.safe_dump(copy, sort_keys=False, allow_unicode=False))


def print_tree(root: Node) -> None:
    """Print a tree."""
    for line in tree_lines(root):
        _print(line)


def renderable(root: Node) -> Tree:
    """Return a tree for a live display, which wraps long lines within the branches."""
    tree = Tree(_line(root))
    for child in root.children:
        tree.add(renderable(child))
    return tree


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in columns, as kubectl does."""
    cells = [list(header), *([clean(cell) or "-" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        _print(Text("   ".join(padded).rstrip()))


def print_diff(lines: Sequence[str], indent: str = "    ") -> None:
    """Print the lines of a diff."""
    for line in lines:
        _print(Text(indent + line, _DIFF_STYLES.get(line[:1], "")))


def tree_lines(root: Node) -> Iterator[Text]:
    """Yield the lines of a tree."""
    yield from _lines(root, "", "")


def _lines(node: Node, first: str, rest: str) -> Iterator[Text]:
    yield Text.assemble(first, _line(node))
    for child in node.children:
        last = child is node.children[-1]
        branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield from _lines(child, rest + branch, rest + below)


def _line(node: Node) -> Text:
    mark = f"{node.mark} " if node.mark else ""
    detail = f"  {node.detail}" if node.detail else ""
    return Text.assemble((mark, _STYLES[node.mark]), (node.title, "bold"), detail)


def console(*, wrap: bool = False) -> Console:
    """Return where text goes: rich decides by the terminal, TERM and NO_COLOR about colors.

    Without `wrap` the terminal wraps long lines, so that a copy of them is whole. A live display
    needs it, since it counts the lines that it writes over.
    """
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=not wrap)


def _print(text: Text) -> None:
    """Print a line; off a terminal it is never wrapped, cut or colored."""
    if sys.stdout.isatty():
        console().print(text)
    else:
        sys.stdout.write(_encodable(text.plain, sys.stdout) + "\n")
        sys.stdout.flush()  # who follows a pipe or a log sees each line at once


def _encodable(text: str, stream: Any) -> str:
    """Return a text that the stream can encode."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    return text
