"""The trees of `status`, kept as text: what a person sees in each state of a BookStore.

`python -m tests.kubectl_bookstore.test_golden` writes them again; make generate calls it.
"""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from kubectl_bookstore.output import renderable
from kubectl_bookstore.views.tree import tree_of
from tests.kubectl_bookstore.support import seen, text
from tests.support.cases.failures import CRASHING, waiting
from tests.support.world import World

pytestmark = pytest.mark.golden

FOLDER = Path(__file__).parent / "golden"
FAILED_MIGRATION = {
    "command": "migrate",
    "code": "failed",
    "message": "Revision 0002_boom could not be applied.",
    "schemaAfter": ["0001_books"],
}
BACKUP = {"schedule": "0 3 * * *"}


def new() -> World:
    return World()


def serving() -> World:
    return World(spec={"image": "api:1", "cache": {"embedded": {}}, "backup": BACKUP}).settle()


def starting() -> World:
    world = World().settle().change(image="api:2")
    world.ailing["Deployment/api:2"] = CRASHING
    return world.run_until(is_starting)


def is_starting(world: World) -> bool:
    return world.condition("Ready")[1] == "PodCrashing"


def is_draining(world: World) -> bool:
    return world.condition("Reconciling")[1] == "Draining"


def draining() -> World:
    return World().settle().change(image="api:2").run_until(is_draining)


def failed() -> World:
    world = World(spec={"image": "api:1", "migration": {"attempts": 1}}).settle()
    world.migration = FAILED_MIGRATION
    return world.change(image="api:2").settle()


def paused() -> World:
    return World().settle().change(paused=True, image="api:2").settle()


def approving() -> World:
    world = World().settle().change(image="api:2", rollout={"promotion": "Manual"})
    return world.run_until(lambda w: w.condition("Ready")[1] == "WaitingForApproval")


def rolled_back() -> World:
    world = World().settle().change(image="api:2").settle()
    world.get("BookStoreRelease", "demo-r1")["spec"]["rollback"] = True
    return world.settle()


def aborted() -> World:
    world = approving()
    world.get("BookStoreRelease", "demo-r2")["spec"]["aborted"] = True
    return world.settle()


CASES: dict[str, Callable[[], World]] = {
    "new": new,
    "serving": serving,
    "starting": starting,
    "draining": draining,
    "failed": failed,
    "paused": paused,
    "approving": approving,
    "rolled-back": rolled_back,
    "aborted": aborted,
}


@pytest.mark.parametrize("name", CASES)
def test_the_tree_matches_its_golden_file(name: str) -> None:
    golden = (FOLDER / f"{name}.txt").read_text("utf-8")
    assert text(CASES[name]()) == golden, "if intended: make generate"


def test_every_golden_file_has_a_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(CASES)


def test_a_tree_is_text_without_escape_sequences() -> None:
    world = World().settle()
    world.ailing["Deployment/api:2"] = waiting("CrashLoopBackOff", ended="\x1b[31mred\r\n\x07")
    world.change(image="api:2").run_until(is_starting)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text(world))


def test_a_live_tree_is_colored_and_as_wide_as_the_terminal() -> None:
    world = starting()
    screen = io.StringIO()
    terminal = Console(
        file=screen, width=60, force_terminal=True, color_system="standard", highlight=False
    )
    terminal.print(renderable(tree_of(seen(world), world.now)))
    assert "\x1b[" in screen.getvalue()
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
    assert max(len(line) for line in lines) <= 60


def main() -> None:
    """Rewrite all golden files."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for name, make in CASES.items():
        (FOLDER / f"{name}.txt").write_text(text(make()), "utf-8")


if __name__ == "__main__":
    main()
