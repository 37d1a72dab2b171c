"""The kubectl plugin on a real control plane, through a real kubectl."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bookstore_operator.core.kinds import RELEASES
from kubectl_bookstore.cluster.kubectl import Connection, Kubectl, KubectlError
from kubectl_bookstore.errors import ExitCode
from tests.cluster.conftest import Shop, bookstore, image
from tests.cluster.plugin import Answer, run
from tests.support.kube import wait_for
from tests.support.operators import Operator

pytestmark = pytest.mark.cluster


def at_stage(shop: Shop, release: str, stage: str) -> None:
    """Wait until a release is at a stage."""

    def is_so() -> bool:
        manifest = shop.get("bookstorereleases", release) or {}
        return bool((manifest.get("status") or {}).get("stage") == stage)

    wait_for(is_so, 60, f"{release} to be at stage {stage}")


def actions_of(answer: Answer) -> list[tuple[str, str]]:
    """Return the objects and messages of the actions of a plan."""
    actions = [(f"{a['kind']}/{a['name']}", a["message"]) for a in answer.data["actions"]]
    return without_reports(actions)


def without_reports(actions: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return actions but for the reports in the BookStore's status: they wait for the steps."""
    return [action for action in actions if action[0] != "BookStore/demo"]


def first_actions(operator: Operator, count: int) -> list[tuple[str, str]]:
    """Return the objects and messages of the first actions of an operator."""

    def done() -> list[tuple[str, str]]:
        return without_reports([(line["object"], line["event"]) for line in operator.actions()])

    assert wait_for(lambda: done()[count - 1 :], 60, "the operator to act")
    return done()[:count]


def test_a_release_is_awaited_explained_and_retried(operated: Shop) -> None:
    assert run(operated, "status", "demo").code == ExitCode.NOT_FOUND
    operated.apply(replicas=1)
    done = run(operated, "status", "demo", "--wait", "--timeout=90")
    assert done.code == ExitCode.DONE, done
    assert "Release demo-r1  revision 1, blue" in done.out
    assert run(operated, "why").out.strip().endswith("nothing blocks it; the current spec serves.")
    assert run(operated, "retry", "demo").code == ExitCode.NOTHING_TO_DO

    operated.apply(replicas=1, image=image("2-job-fail"), migration={"attempts": 1})
    failed = run(operated, "status", "demo", "--wait", "-o=json")
    assert (failed.code, failed.data["outcome"]) == (ExitCode.FAILED, "Failed")
    stages = {stage["name"]: stage["state"] for stage in failed.data["releases"][0]["stages"]}
    assert stages["Expand"] == "Failed"
    why = run(operated, "why", "-o", "yaml").out
    for text in ("MigrationFailed", "0002_boom", "failures.md#migrations", "demo-r2-expand"):
        assert text in why
    (first, second) = run(operated, "history", "-o", "json").data
    assert (first["active"], first["result"]) == (True, "Succeeded")
    assert (second["active"], second["result"]) == (False, "Failed")

    again = run(operated, "retry", "demo", "--wait")
    assert again.code == ExitCode.FAILED, again
    assert "Retrying demo-r2 (spec.retry of demo-r2: true)" in again.out
    second = operated.require("bookstorereleases", "demo-r2-a2")
    assert second["status"]["result"] == "Failed"


def test_a_plan_is_what_the_operator_then_does(shop: Shop) -> None:
    """Twice: a new BookStore, and a release with a scaling of one that serves."""
    for revision, replicas in enumerate((1, 2), start=1):
        spec = bookstore(replicas=replicas, image=image(str(revision)))
        plan = run(shop, "plan", "-f", "-", "-o", "json", stdin=json.dumps(spec))
        assert plan.code == ExitCode.DONE, plan
        assert f"BookStoreRelease/demo-r{revision}" in dict(actions_of(plan))
        shop.kubectl.apply(spec)
        shop.start("--no-leader-election", log=f"{revision}.log")
        assert first_actions(shop.operator, len(actions_of(plan))) == actions_of(plan)
        shop.ready(image=image(str(revision)))
        wait_for(lambda: run(shop, "plan", "-o=json").data["actions"] == [], 60, "an empty plan")
        shop.operator.stop()
    assert run(shop, "plan", "-o", "json").data["changes"] == []
    patch = '{"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}'
    shop.kubectl("patch", "deployment", "demo-green", "--type=merge", f"--patch={patch}")
    actions = run(shop, "plan", "-o", "json").data["actions"]
    (repair,) = [item for item in actions if item["kind"] == "Deployment"]
    changed = [line.strip() for line in repair["diff"] if line[0] in "+-"]
    assert [line[:1] for line in changed] == ["-", "+"], "\n".join(repair["diff"])
    assert all("terminationGracePeriodSeconds: " in line for line in changed)

    edited = run(shop, "plan", "-f", "-", stdin=json.dumps(bookstore(image=image("3"))))
    assert f"image: {image('2')} → {image('3')} (starts a release)" in edited.out
    invalid = run(shop, "plan", "-f", "-", stdin=json.dumps(bookstore(replicas=-1)))
    assert invalid.code == ExitCode.USAGE
    assert "spec.replicas" in invalid.error


def test_abort_pause_and_resume_change_what_fits_and_once(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    assert run(operated, "abort", "demo").code == ExitCode.NOTHING_TO_DO
    operated.apply(replicas=1, image=image("2-pod-unready"))
    at_stage(operated, "demo-r2", "Start")
    why = run(operated, "why", "demo").out
    assert "release demo-r2 → stage Start → gate color available: InProgress" in why
    aborted = run(operated, "abort", "demo", "--wait")
    assert aborted.code == ExitCode.DONE, aborted
    assert "demo-r1 continues to serve" in aborted.out
    assert run(operated, "abort", "demo").out == "demo-r2 was aborted already; nothing changed.\n"
    assert operated.serving() == image("1")

    assert "Paused BookStore demo" in run(operated, "pause", "demo").out
    generation = operated.require("bookstores", "demo")["metadata"]["generation"]
    assert "nothing changed" in run(operated, "pause", "demo").out
    assert operated.require("bookstores", "demo")["metadata"]["generation"] == generation
    assert run(operated, "status", "demo", "--wait").code == ExitCode.PERSON
    operated.apply(replicas=1, paused=True)
    assert run(operated, "resume", "demo", "--wait").code == ExitCode.DONE


def test_a_release_is_approved_and_rolled_back_by_who_has_the_role(operated: Shop) -> None:
    rollout = {"promotion": "Manual", "watch": {"seconds": 0}}  # its Pods have no metrics
    operated.apply(replicas=1, rollout=rollout)
    operated.ready()
    for user, role in (
        *(("editor", "edit"), ("approver", "view"), ("approver", "bookstore-approver")),
    ):
        operated.kubectl(
            *("create", "rolebinding", f"{user}-{role}", f"--clusterrole={role}"), f"--user={user}"
        )
    assert run(operated, "approve", "demo").code == ExitCode.NOTHING_TO_DO
    assert run(operated, "rollback", "demo").code == ExitCode.NOTHING_TO_DO
    operated.apply(replicas=1, image=image("2"), rollout=rollout)
    waits = run(operated, "status", "demo", "--wait", "-o=json")
    assert (waits.code, waits.data["reason"]) == (ExitCode.PERSON, "WaitingForApproval")
    for command in ("approve", "abort"):
        forbidden = run(operated, command, "demo", "--as=editor")
        assert forbidden.code == ExitCode.ERROR, command
        assert "cannot patch resource" in forbidden.error
    approved = run(operated, "approve", "demo", "--as=approver", "--wait")
    assert approved.code == ExitCode.DONE, approved
    assert operated.serving() == image("2")
    assert run(operated, "rollback", "demo", "--to=7").code == ExitCode.NOT_FOUND
    back = run(operated, "rollback", "demo", "--as=approver", "--wait")
    assert back.code == ExitCode.DONE, back
    assert operated.serving() == image("1")
    state = run(operated, "status", "demo", "--wait", "-o=json")
    assert (state.code, state.data["reason"]) == (ExitCode.FAILED, "RolledBack")
    assert run(operated, "rollback", "demo", "--to=1").code == ExitCode.NOTHING_TO_DO
    answered = operated.require("bookstorereleases", "demo-r1")
    assert answered["spec"]["rollback"] is False


def test_a_change_of_what_was_read_is_refused(
    operated: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    operated.apply(replicas=0)
    operated.ready()
    for name, value in operated.kubectl.environment.items():
        monkeypatch.setenv(name, value)
    kubectl = Kubectl(Connection(namespace=operated.namespace))
    release = kubectl.find(RELEASES, "demo-r1")
    assert release is not None
    operated.kubectl("label", "bookstorerelease", "demo-r1", "changed=meanwhile")
    for change in (
        lambda: kubectl.patch(RELEASES, release, {"aborted": True}),
        lambda: kubectl.delete(RELEASES, release),
    ):
        with pytest.raises(KubectlError) as caught:
            change()
        assert caught.value.reason == "Conflict"
    assert "aborted" not in operated.require("bookstorereleases", "demo-r1")["spec"]


def test_a_viewer_sees_the_state_without_secrets_and_is_told_what_is_missing(
    operated: Shop,
) -> None:
    operated.apply(replicas=0)
    operated.ready()
    for user, role in (("viewer", "view"), ("clerk", "bookstore-viewer")):
        operated.kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}")
    as_viewer = run(operated, "status", "demo", "--as=viewer")
    assert as_viewer.code == ExitCode.DONE, as_viewer
    assert "Serving" in as_viewer.out
    assert (
        "You may not read Secrets: demo-db, demo-signing-keys, demo-staff assumed"
        in as_viewer.error
    )
    as_clerk = run(operated, "status", "demo", "--as=clerk")
    assert as_clerk.code == ExitCode.DONE, as_clerk
    assert "You may not read deployments" in as_clerk.error
    plan = run(operated, "plan", "demo", "--as=clerk")
    assert plan.code == ExitCode.ERROR
    assert "needs the right to list" in plan.error
    nobody = run(operated, "pause", "demo", "--as=viewer")
    assert nobody.code == ExitCode.ERROR
    assert "cannot patch resource" in nobody.error


def test_kubectl_runs_and_completes_the_plugin(shop: Shop) -> None:
    shop.apply(replicas=0)
    folder = str(Path(sys.executable).parent)
    path = f"{folder}{os.pathsep}{shop.kubectl.environment['PATH']}"
    environment = {**os.environ, **shop.kubectl.environment, "PATH": path}

    def kubectl(*arguments: str) -> str:
        return subprocess.run(
            ["kubectl", *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env=environment,
        ).stdout

    space = f"--namespace={shop.namespace}"
    watching = subprocess.Popen(
        ["kubectl", "bookstore", "status", "demo", "--watch", space],
        stdout=subprocess.PIPE,
        env=environment,
        process_group=0,
    )
    assert watching.stdout
    assert f"BookStore {shop.namespace}/demo  Releasing".encode() in watching.stdout.readline()
    os.killpg(watching.pid, signal.SIGINT)
    assert watching.wait(30) == ExitCode.INTERRUPTED
    watching.stdout.close()
    assert "demo" in kubectl("bookstore", "status", space)
    assert kubectl("__complete", "bookstore", "abort", space, "d").splitlines() == ["demo", ":4"]
