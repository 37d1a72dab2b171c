"""What the commands that change something share: try, report, wait."""

from collections.abc import Callable

from bookstore_operator.core import history
from bookstore_operator.core.kinds import RELEASES
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.release import BookStoreRelease
from kubectl_bookstore.cluster.kubectl import Kubectl, KubectlError
from kubectl_bookstore.commands.look import Look, done, wait_until
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.output import Format, print_data, say

_TRIES = 5
"""How often a change is tried when the object changes between the check and the write."""


def try_change(change: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """Make a change; check and try again if the object has changed since it was read."""
    for left in reversed(range(_TRIES)):
        try:
            return change()
        except KubectlError as error:
            if error.reason not in {"Conflict", "NotFound"} or not left:
                raise
    raise AssertionError  # the last try returns or raises


def wait_for(
    kubectl: Kubectl,
    name: str,
    timeout: int,
    output: Format,
    ending: Callable[[Look], ExitCode | None] = done,
) -> ExitCode:
    """Wait for an ending; print the BookStore as data where that is asked for."""
    current, code = wait_until(kubectl, name, timeout, output, ending)
    if output is not Format.TEXT:
        print_data(current.view.manifest(), output)
    return code


def report(
    name: str, release: str | None, message: str, output: Format, *, wait: bool = False
) -> None:
    """Print what was done; with --wait in text only, as a document follows at the end."""
    if output is Format.TEXT:
        say(message)
    elif not wait:
        data = {"name": name, "release": release, "message": message}
        print_data({key: value for key, value in data.items() if value}, output)


def newest_of(current: Look) -> BookStoreRelease | None:
    """Return the newest release; None if there is none."""
    return history.newest(current.observation.snapshot)


def manifest_of(current: Look, release: BookStoreRelease) -> Manifest:
    """Return a release as it was read."""
    return current.observation.objects[RELEASES.ref(release.name)]


def release_named(current: Look, name: str) -> BookStoreRelease | None:
    """Return the release of a name; None if there is none."""
    releases = current.observation.snapshot.releases
    return next((release for release in releases if release.name == name), None)


def refused(message: str) -> PluginError:
    """Return the error of a command that the state does not allow."""
    return PluginError(message, ExitCode.REFUSED)


def nothing(message: str) -> PluginError:
    """Return the error of a command that has nothing to do."""
    return PluginError(message, ExitCode.NOTHING_TO_DO)
