"""`abort`, `retry`, `pause`, `resume`: each reads the state live and changes it only if it fits."""

from collections.abc import Sequence

from bookstore_operator.core import history
from bookstore_operator.core.kinds import BOOKSTORES, RELEASES
from bookstore_operator.crd.release import ENDED_BY_DECISION, BookStoreRelease, Result
from bookstore_operator.releases import rollback
from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.commands.look import Look, done, look, wait_until
from kubectl_bookstore.commands.write import (
    manifest_of,
    newest_of,
    nothing,
    refused,
    release_named,
    report,
    try_change,
    wait_for,
)
from kubectl_bookstore.errors import ExitCode
from kubectl_bookstore.options import TIMEOUT_SECONDS, Output, RequiredName, Timeout, Wait
from kubectl_bookstore.output import Format


def abort(
    kubectl: Kubectl,
    name: RequiredName,
    *,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Abort the release in progress; the active release continues to serve.

    A migration that runs is not interrupted: the release ends after it. While the release is
    watched, the one before it serves again. An abort beats a pause and an approval. Without a
    release in progress this changes nothing and ends with code 8, and with code 7 if the release
    serves for good. With --wait: code 0 once the release has ended.

    For example:
      kubectl bookstore abort demo --wait
    """
    message, release = try_change(lambda: _abort(kubectl, name))
    report(name, release, message, output, wait=wait)
    if not wait:
        return ExitCode.DONE
    current, code = wait_until(kubectl, name, timeout, output, lambda now: _over(now, release))
    if code is ExitCode.DONE:
        report(name, release, f"{release} has ended: {_result(current, release)}.", output)
    return code


def retry(
    kubectl: Kubectl,
    name: RequiredName,
    *,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Release the current spec again after its release failed, was aborted or rolled back.

    Sets spec.retry of the newest BookStoreRelease; the operator then begins another attempt. If a
    release is in progress, it changes nothing; if the newest one serves, it ends with code 8.

    For example:
      kubectl bookstore retry demo --wait && echo released
    """
    uids: list[str] = []
    message, release = try_change(lambda: _retry(kubectl, name, uids))
    report(name, release, message, output, wait=wait)
    if not wait:
        return ExitCode.DONE
    return wait_for(
        kubectl,
        name,
        timeout,
        output,
        # The operator writes the status before it begins a release.
        lambda now: done(now) if now.view.paused or _is_new(now, uids) else None,
    )


def pause(kubectl: Kubectl, name: RequiredName, *, output: Output = Format.TEXT) -> ExitCode:
    """Suspend reconciliation: the operator then changes nothing but the status.

    What serves continues to serve. If a GitOps tool owns the BookStore, set spec.paused there.

    For example:
      kubectl bookstore pause demo
    """
    message, _ = try_change(lambda: _set_paused(kubectl, name, paused=True))
    report(name, None, message, output)
    return ExitCode.DONE


def resume(
    kubectl: Kubectl,
    name: RequiredName,
    *,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Continue reconciliation after a pause.

    For example:
      kubectl bookstore resume demo --wait
    """
    message, _ = try_change(lambda: _set_paused(kubectl, name, paused=False))
    report(name, None, message, output, wait=wait)
    return wait_for(kubectl, name, timeout, output) if wait else ExitCode.DONE


# Each change: check what is there now, then write with its resourceVersion -----------------------


def _abort(kubectl: Kubectl, name: str) -> tuple[str, str]:
    current = look(kubectl, name)
    release = newest_of(current)
    if release is None:
        raise nothing(f"BookStore {name} has no release to abort.")
    if release.spec.aborted and release.status.result in {Result.ABORTED, Result.ROLLED_BACK}:
        return f"{release.name} was aborted already; nothing changed.", release.name
    watched = release.status.result is Result.PROMOTED and release.status.stage == "Watch"
    if release.status.result is Result.PROMOTED and not watched:
        raise refused(
            f"{release.name} serves users already, so it can't be aborted. To go back: kubectl "
            f"bookstore rollback {name}."
        )
    if not release.in_flight and not watched:
        raise nothing(
            f"No release of BookStore {name} is in progress: the newest, {release.name}, is "
            f"{release.status.result}."
        )
    if release.spec.aborted:
        return f"{release.name} is being aborted already; nothing changed.", release.name
    kubectl.patch(RELEASES, manifest_of(current, release), {"aborted": True})
    return f"Aborted {release.name} (spec.aborted: true). {_after(current, release)}", release.name


def _after(current: Look, aborted: BookStoreRelease) -> str:
    """Return which release serves after one is aborted."""
    snapshot = current.observation.snapshot
    serves = history.active(snapshot)
    if serves == aborted:
        older = rollback.former(snapshot)
        return f"{older.name} serves again." if older else rollback.NOTHING_TO_GO_BACK_TO
    return f"{serves.name} continues to serve." if serves else "No release serves yet."


def _retry(kubectl: Kubectl, name: str, uids: list[str]) -> tuple[str, str]:
    current = look(kubectl, name)
    snapshot = current.observation.snapshot
    release = newest_of(current)
    if release is None:
        raise nothing(f"BookStore {name} has no release to retry.")
    if release.in_flight:
        return f"{release.name} is in progress already; nothing changed.", release.name
    overrules = history.overrules_spec(snapshot, release)
    if release.status.result not in {Result.FAILED, *ENDED_BY_DECISION} and not overrules:
        raise nothing(
            f"Nothing to retry: the newest release of BookStore {name}, {release.name}, is "
            f"{release.status.result}."
        )
    if not history.matches_spec(snapshot, release):
        raise nothing(
            f"The spec of BookStore {name} has changed since {release.name} ended, so there is "
            "nothing to retry: the operator begins the next release by itself."
        )
    uids.append(release.metadata.uid)
    paused = f" It begins after kubectl bookstore resume {name}." if current.view.paused else ""
    if release.spec.retry:
        return f"{release.name} is being retried already; nothing changed.{paused}", release.name
    kubectl.patch(RELEASES, manifest_of(current, release), {"retry": True})
    what = release.spec.overrides if overrules else release.name
    return f"Retrying {what} (spec.retry of {release.name}: true).{paused}", release.name


def _set_paused(kubectl: Kubectl, name: str, *, paused: bool) -> tuple[str, str]:
    current = look(kubectl, name)
    word = "Paused" if paused else "Resumed"
    if current.observation.snapshot.store.spec.paused is paused:
        state = "paused already" if paused else "not paused"
        return f"BookStore {name} is {state}; nothing changed.", name
    kubectl.patch(BOOKSTORES, current.observation.manifest, {"paused": paused})
    return f"{word} BookStore {name} (spec.paused: {str(paused).lower()}).", name


def _is_new(current: Look, deleted: Sequence[str]) -> bool:
    newest = newest_of(current)
    return newest is not None and newest.metadata.uid not in deleted


def _over(current: Look, name: str) -> ExitCode | None:
    release = release_named(current, name)
    if release and (release.in_flight or release.status.result is Result.PROMOTED):
        return None  # an abort beats a pause
    return ExitCode.DONE


def _result(current: Look, name: str) -> str:
    release = release_named(current, name)
    return release.status.reason if release else "deleted"
