"""`kubectl bookstore history`: the releases of a BookStore."""

from datetime import UTC, datetime

from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.cluster.observe import find_store, observe
from kubectl_bookstore.errors import ExitCode
from kubectl_bookstore.options import Name, Output
from kubectl_bookstore.output import Format, note, print_data, print_table
from kubectl_bookstore.views.status import ReleaseView, history_of
from kubectl_bookstore.views.text import age, clean

_AT = (None, "Failed", "Aborted", "RolledBack")
_DONE = frozenset({"Succeeded", "Promoted"})


def history(kubectl: Kubectl, name: Name = None, *, output: Output = Format.TEXT) -> ExitCode:
    """List the releases of a BookStore, oldest first.

    The number of kept releases is spec.rollout.historyLimit.

    For example:
      kubectl bookstore history demo
      kubectl bookstore history demo -o json
    """
    now = datetime.now(UTC)
    observation = observe(kubectl, find_store(kubectl, name), now)
    releases = history_of(observation)
    if output is not Format.TEXT:
        print_data([_shown(release) for release in releases], output)
    elif not releases:
        note(f"BookStore {observation.snapshot.store.name} has no release yet.")
    else:
        header = ["REVISION", "RELEASE", "COLOR", "RESULT", "SERVES", "BEGAN", "IMAGE", "DETAILS"]
        print_table(header, [_row(release, now) for release in releases])
    return ExitCode.DONE


def _shown(release: ReleaseView) -> dict[str, object]:
    data = release.manifest()
    return {key: value for key, value in data.items() if key not in {"stages", "pods"}}


def _row(release: ReleaseView, now: datetime) -> list[str]:
    attempt = f" (attempt {release.attempt})" if release.attempt > 1 else ""
    at = f" at {release.stage}" if release.stage and release.result in _AT else ""
    detail = f"{release.reason}: {clean(release.message)}" if release.message else release.reason
    return [
        f"{release.revision}{attempt}",
        release.name,
        release.color,
        f"{release.result or 'in progress'}{at}",
        "yes" if release.active else "",
        f"{age(release.created_at, now)} ago" if release.created_at else "",
        release.image,
        "" if release.result in _DONE else detail,
    ]
