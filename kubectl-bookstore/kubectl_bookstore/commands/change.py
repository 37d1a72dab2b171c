"""`abort`, `retry`, `pause`, `resume`: each reads the state live and changes it only if it fits."""

from collections.abc import Callable, Sequence

from bookstore_operator.core import history
from bookstore_operator.core.kinds import BOOKSTORES, RELEASES
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.release import BookStoreRelease, Result
from kubectl_bookstore.cluster.kubectl import Kubectl, KubectlError
from kubectl_bookstore.commands.look import Look, done, look, wait_until
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.options import TIMEOUT_SECONDS, Output, RequiredName, Timeout, Wait
from kubectl_bookstore.output import Format, print_data, say

_TRIES = 5
"""How often a change is tried when the object changes between the check and the write."""


def abort(
    kubectl: Kubectl,
    name: RequiredName,
    *,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Abort the release in progress; the active release continues to serve.

    A migration that runs is not interrupted: the release ends after it. Without a release that is
    still to be promoted this changes nothing and ends with code 7. With --wait: code 0 once the
    release has ended.

    For example:
      kubectl bookstore abort demo --wait
    """
    message, release = _try(lambda: _abort(kubectl, name))
    _report(name, release, message, output, wait=wait)
    if not wait:
        return ExitCode.DONE
    current, code = wait_until(kubectl, name, timeout, output, lambda now: _over(now, release))
    if code is ExitCode.DONE:
        _report(name, release, f"{release} has ended: {_result(current, release)}.", output)
    return code


def retry(
    kubectl: Kubectl,
    name: RequiredName,
    *,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Release the current spec again after its release has failed.

    Deletes the failed BookStoreRelease with its Jobs, as its message says; the operator then begins
    the release again. Needs the right to delete BookStoreReleases. If a release is in progress, it
    changes nothing; if the newest one has not failed, it ends with code 7.

    For example:
      kubectl bookstore retry demo --wait && echo released
    """
    uids: list[str] = []
    message, release = _try(lambda: _retry(kubectl, name, uids))
    _report(name, release, message, output, wait=wait)
    if not wait:
        return ExitCode.DONE
    return _wait(
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
    message, _ = _try(lambda: _set_paused(kubectl, name, paused=True))
    _report(name, None, message, output)
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
    message, _ = _try(lambda: _set_paused(kubectl, name, paused=False))
    _report(name, None, message, output, wait=wait)
    return _wait(kubectl, name, timeout, output) if wait else ExitCode.DONE


# Each change: check what is there now, then write with its resourceVersion -----------------------


def _abort(kubectl: Kubectl, name: str) -> tuple[str, str]:
    current = look(kubectl, name)
    release = _newest(current)
    if release is None:
        raise _refused(f"BookStore {name} has no release to abort.")
    if release.status.result is Result.PROMOTED:
        raise _refused(
            f"{release.name} serves users already, so it can't be aborted. To go back, put the "
            "BookStore's spec back to what it was."
        )
    if release.spec.aborted and release.status.result is Result.FAILED:
        return f"{release.name} was aborted already; nothing changed.", release.name
    if not release.in_flight:
        raise _refused(
            f"No release of BookStore {name} is in progress: the newest, {release.name}, is "
            f"{release.status.result}."
        )
    if release.spec.aborted:
        return f"{release.name} is being aborted already; nothing changed.", release.name
    kubectl.patch(RELEASES, _manifest_of(current, release), {"aborted": True})
    serves = history.active(current.observation.snapshot)
    after = f"{serves.name} continues to serve." if serves else "No release serves yet."
    paused = f" It ends after kubectl bookstore resume {name}." if current.view.paused else ""
    return f"Aborted {release.name} (spec.aborted: true). {after}{paused}", release.name


def _retry(kubectl: Kubectl, name: str, uids: list[str]) -> tuple[str, str]:
    current = look(kubectl, name)
    release = _newest(current)
    if release is None:
        raise _refused(f"BookStore {name} has no release to retry.")
    if release.in_flight:
        return f"{release.name} is in progress already; nothing changed.", release.name
    if release.status.result is not Result.FAILED or release.status.promoted_at:
        raise _refused(
            f"Nothing to retry: the newest release of BookStore {name}, {release.name}, is "
            f"{release.status.result}."
        )
    if not history.matches_spec(current.observation.snapshot, release):
        raise _refused(
            f"The spec of BookStore {name} has changed since {release.name} failed, so there is "
            "nothing to retry: the operator begins the next release by itself."
        )
    kubectl.delete(RELEASES, _manifest_of(current, release))
    uids.append(release.metadata.uid)
    paused = f" It begins after kubectl bookstore resume {name}." if current.view.paused else ""
    return (
        f"Deleted {release.name}, which had failed ({release.status.reason}): the operator begins "
        f"the release again.{paused}",
        release.name,
    )


def _set_paused(kubectl: Kubectl, name: str, *, paused: bool) -> tuple[str, str]:
    current = look(kubectl, name)
    word = "Paused" if paused else "Resumed"
    if current.observation.snapshot.store.spec.paused is paused:
        state = "paused already" if paused else "not paused"
        return f"BookStore {name} is {state}; nothing changed.", name
    kubectl.patch(BOOKSTORES, current.observation.manifest, {"paused": paused})
    return f"{word} BookStore {name} (spec.paused: {str(paused).lower()}).", name


def _try(change: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """Make a change; check and try again if the object has changed since it was read."""
    for left in reversed(range(_TRIES)):
        try:
            return change()
        except KubectlError as error:
            if error.reason not in {"Conflict", "NotFound"} or not left:
                raise
    raise AssertionError  # the last try returns or raises


# What they share ---------------------------------------------------------------------------------


def _wait(
    kubectl: Kubectl,
    name: str,
    timeout: int,
    output: Format,
    ending: Callable[[Look], ExitCode | None] = done,
) -> ExitCode:
    current, code = wait_until(kubectl, name, timeout, output, ending)
    if output is not Format.TEXT:
        print_data(current.view.manifest(), output)
    return code


def _report(
    name: str, release: str | None, message: str, output: Format, *, wait: bool = False
) -> None:
    """Print what was done; with --wait in text only, as a document follows at the end."""
    if output is Format.TEXT:
        say(message)
    elif not wait:
        data = {"name": name, "release": release, "message": message}
        print_data({key: value for key, value in data.items() if value}, output)


def _newest(current: Look) -> BookStoreRelease | None:
    return history.newest(current.observation.snapshot)


def _is_new(current: Look, deleted: Sequence[str]) -> bool:
    newest = _newest(current)
    return newest is not None and newest.metadata.uid not in deleted


def _manifest_of(current: Look, release: BookStoreRelease) -> Manifest:
    return current.observation.objects[RELEASES.ref(release.name)]


def _release_named(current: Look, name: str) -> BookStoreRelease | None:
    releases = current.observation.snapshot.releases
    return next((release for release in releases if release.name == name), None)


def _over(current: Look, name: str) -> ExitCode | None:
    release = _release_named(current, name)
    if release and release.in_flight:
        return ExitCode.PERSON if current.view.paused else None
    return ExitCode.DONE


def _result(current: Look, name: str) -> str:
    release = _release_named(current, name)
    return release.status.reason if release else "deleted"


def _refused(message: str) -> PluginError:
    return PluginError(message, ExitCode.REFUSED)
