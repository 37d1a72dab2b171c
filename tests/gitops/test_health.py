"""What Argo CD and Flux say of a BookStore, at each moment of its life, in the simulated world."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from bookstore_operator.crd.backup import BackupPhase
from bookstore_operator.crd.restore import RestorePhase
from tests.support.world import World

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[2]
CHECKS: dict[str, str] = yaml.safe_load((ROOT / "manifests/gitops/argocd-cm.yaml").read_text())[
    "data"
]


def health(manifest: dict[str, Any], kind: str = "BookStore") -> tuple[str, str]:
    """Return status and message of Argo CD's check, run by Lua 5.1 as Argo CD does."""
    runtime = lua51.LuaRuntime(unpack_returned_tuples=True)
    runtime.globals()["obj"] = runtime.table_from(manifest, recursive=True)
    found: Any = runtime.execute(CHECKS[f"resource.customizations.health.bookstore.dev_{kind}"])
    return found["status"], found["message"]


def kstatus(manifest: dict[str, Any]) -> str:
    """Return what kstatus says, by which Flux waits; the rules of its generic conditions."""
    status = manifest.get("status") or {}
    if status.get("observedGeneration", 0) != manifest["metadata"].get("generation", 0):
        return "InProgress"
    by_type = {item["type"]: item["status"] for item in status.get("conditions") or ()}
    if by_type.get("Reconciling") == "True":
        return "InProgress"
    if by_type.get("Stalled") == "True":
        return "Failed"
    return "Current" if by_type.get("Ready") == "True" else "InProgress"


def created() -> World:
    return World()


def starting() -> World:
    return World().reach("Start", "demo-r1")


def serving() -> World:
    return World().settle()


def changed() -> World:
    """Return a BookStore whose new spec the operator has not seen."""
    return World().settle().change(image="api:2")


def releasing() -> World:
    return changed().reach("Start")


def waiting() -> World:
    world = World().settle().change(image="api:2", rollout={"promotion": "Manual"})
    return world.reach("Approve").steps(3)


def paused() -> World:
    return World().settle().change(paused=True).steps(3)


def paused_in_a_release() -> World:
    return releasing().change(paused=True).steps(3)


def failed() -> World:
    world = World().settle()
    world.migration = {"command": "migrate", "code": "failed", "message": "It went wrong."}
    return world.change(image="api:2").settle()


def failed_first() -> World:
    world = World()
    world.migration = {"command": "migrate", "code": "failed", "message": "It went wrong."}
    return world.settle()


MOMENTS: list[tuple[Callable[[], World], str, str]] = [
    (created, "Progressing", "InProgress"),
    (starting, "Progressing", "InProgress"),
    (serving, "Healthy", "Current"),
    (changed, "Progressing", "InProgress"),
    (releasing, "Progressing", "InProgress"),
    (waiting, "Suspended", "InProgress"),
    (paused, "Suspended", "Current"),
    (paused_in_a_release, "Suspended", "InProgress"),
    (failed, "Degraded", "Failed"),
    (failed_first, "Degraded", "Failed"),
]


@pytest.mark.parametrize(
    ("moment", "argo", "flux"), MOMENTS, ids=[moment.__name__ for moment, *_ in MOMENTS]
)
def test_the_tools_say_what_holds(moment: Callable[[], World], argo: str, flux: str) -> None:
    manifest = moment().get("BookStore", "demo")
    assert (health(manifest)[0], kstatus(manifest)) == (argo, flux)


def test_the_message_says_why_and_whether_users_are_served() -> None:
    _, message = health(failed().get("BookStore", "demo"))
    assert "It went wrong." in message
    assert "still served" in message
    _, message = health(failed_first().get("BookStore", "demo"))
    assert "still served" not in message


BACKUPS = {
    "Failed": "Degraded",
    "Damaged": "Degraded",
    "Complete": "Healthy",
    "Verified": "Healthy",
}
RESTORES = {"Failed": "Degraded", "Complete": "Healthy"}


def of_phase(kind: str, phase: str | None) -> str:
    """Return the health of an object that has only a phase."""
    status = {"phase": phase, "message": "It is so."} if phase else {}
    return health({"status": status}, kind)[0]


@pytest.mark.parametrize("phase", [None, "FromANewerOperator", *BackupPhase])
def test_each_phase_of_a_backup(phase: str | None) -> None:
    assert of_phase("BookStoreBackup", phase) == BACKUPS.get(phase or "", "Progressing")


@pytest.mark.parametrize("phase", [None, "FromANewerOperator", *RestorePhase])
def test_each_phase_of_a_restore(phase: str | None) -> None:
    found = health(
        {"status": {"phase": phase, "message": "m"} if phase else {}}, "BookStoreRestore"
    )
    assert found[0] == RESTORES.get(phase or "", "Progressing")
    assert set(RESTORES) <= set(RestorePhase)
