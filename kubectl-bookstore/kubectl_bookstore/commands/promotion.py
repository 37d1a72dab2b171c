"""`approve` and `rollback`: what people decide about which release serves."""

from typing import Annotated

import typer

from bookstore_operator.components.database.servers import changes_database
from bookstore_operator.core import history
from bookstore_operator.core.kinds import RELEASES
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.attempts import ContractState
from bookstore_operator.crd.release import BookStoreRelease, Result, RollbackState
from bookstore_operator.crd.spec.migration import Contract
from bookstore_operator.crd.spec.rollout import Promotion
from bookstore_operator.releases import rollback as rollbacks
from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.commands.look import Look, look
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
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.options import TIMEOUT_SECONDS, Output, RequiredName, Timeout, Wait
from kubectl_bookstore.output import Format


def approve(  # noqa: PLR0913 - one argument per option
    kubectl: Kubectl,
    name: RequiredName,
    *,
    contract: Annotated[
        bool,
        typer.Option(
            "--contract", help="Approve the contract migration of the release that serves."
        ),
    ] = False,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Approve what the release in progress waits for: its promotion, or the end of its watch.

    With rollout.promotion Manual or After, it may be approved before it is verified: users are sent
    to it once it is. A release that is held because its watch was inconclusive is kept. With
    --contract, what only older code needs may be removed from the schema (migration.contract:
    Manual). If there is nothing to approve, this changes nothing and ends with code 8.

    For example:
      kubectl bookstore approve demo --wait
      kubectl bookstore approve demo --contract
    """
    change = _approve_contract if contract else _approve
    message, release = try_change(lambda: change(kubectl, name))
    report(name, release, message, output, wait=wait)
    return wait_for(kubectl, name, timeout, output) if wait else ExitCode.DONE


def rollback(  # noqa: PLR0913 - one argument per option
    kubectl: Kubectl,
    name: RequiredName,
    *,
    to: Annotated[
        int | None,
        typer.Option("--to", help="Revision to go back to; default: the one before.", min=1),
    ] = None,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Go back to a release that has served before; the BookStore's spec is overruled meanwhile.

    While its color still runs, it is one switch, else a new release of its intent. The schema is
    never downgraded: code 7 if its code can't work on the schema any more. Code 8 if it serves
    already. With --wait: code 0 once users are on it.

    For example:
      kubectl bookstore rollback demo --wait
      kubectl bookstore rollback demo --to 4
    """
    message, release = try_change(lambda: _roll_back(kubectl, name, to))
    report(name, release, message, output, wait=wait)
    if not wait:
        return ExitCode.DONE
    return wait_for(kubectl, name, timeout, output, lambda now: _gone_back(now, release))


def _approve(kubectl: Kubectl, name: str) -> tuple[str, str]:
    current = look(kubectl, name)
    release = newest_of(current)
    if release is not None and _is_held(current, release):
        kubectl.patch(RELEASES, manifest_of(current, release), {"watchApproved": True})
        message = f"{release.name} is kept (spec.watchApproved: true)."
        return f"{message}{_after_resume(current, name)}", release.name
    if release is None or not release.in_flight:
        which = f": the newest, {release.name}, is {release.status.result}" if release else ""
        raise nothing(f"No release of BookStore {name} is to be promoted{which}.")
    if not _needs_approval(current, release):
        raise nothing(f"{release.name} needs no approval (spec.rollout.promotion: Automatic).")
    if release.spec.approved:
        return f"{release.name} is approved already; nothing changed.", release.name
    kubectl.patch(RELEASES, manifest_of(current, release), {"approved": True})
    early = "" if release.status.stage == "Approve" else " It is promoted once it is verified."
    paused = _after_resume(current, name)
    return f"Approved {release.name} (spec.approved: true).{early}{paused}", release.name


def _needs_approval(current: Look, release: BookStoreRelease) -> bool:
    """Whether a person decides about a promotion: as the spec says, or always for its database.

    Who may not read Secrets sees the latter only once the operator reports it.
    """
    snapshot = current.observation.snapshot
    if snapshot.store.spec.rollout.promotion is not Promotion.AUTOMATIC:
        return True
    reported = (item.reason for item in snapshot.store.status.conditions)
    return Reason.WAITING_FOR_APPROVAL in reported or changes_database(snapshot, release)


def _is_held(current: Look, release: BookStoreRelease) -> bool:
    """Whether the operator reports that a release is kept in its watch until people decide."""
    conditions = current.observation.snapshot.store.status.conditions
    reported = any(item.reason == Reason.WATCH_INCONCLUSIVE for item in conditions)
    return reported and release.status.stage == "Watch" and not release.spec.watch_approved


def _approve_contract(kubectl: Kubectl, name: str) -> tuple[str, str]:
    current = look(kubectl, name)
    snapshot = current.observation.snapshot
    release = history.active(snapshot)
    if release is None:
        raise nothing(f"No release of BookStore {name} serves.")
    mode, state = snapshot.store.spec.migration.contract, release.status.contract
    if mode is not Contract.MANUAL:
        raise nothing(f"It needs no approval (spec.migration.contract: {mode}).")
    if state is not None and state.state != ContractState.PENDING:
        raise nothing(f"The contract migration of {release.name} is {state.state}.")
    if release.spec.contract_approved:
        raise nothing(f"The contract migration of {release.name} is approved already.")
    kubectl.patch(RELEASES, manifest_of(current, release), {"contractApproved": True})
    message = f"Approved the contract migration of {release.name} (spec.contractApproved: true)."
    return f"{message}{_after_resume(current, name)}", release.name


def _after_resume(current: Look, name: str) -> str:
    paused = current.view.paused
    return f" It continues after kubectl bookstore resume {name}." if paused else ""


def _roll_back(kubectl: Kubectl, name: str, to: int | None) -> tuple[str, str]:
    current = look(kubectl, name)
    snapshot = current.observation.snapshot
    active = history.active(snapshot)
    if active is None:
        raise nothing(f"No release of BookStore {name} serves. {rollbacks.NOTHING_TO_GO_BACK_TO}")
    target = _target(snapshot, active, to)
    newest = newest_of(current)
    in_progress = newest is not None and newest.in_flight
    if target.name in {active.name, active.spec.rollback_of} and not in_progress:
        raise nothing(f"Revision {target.spec.revision} serves already, as {active.name}.")
    if target.spec.rollback:
        return f"A rollback to {target.name} was asked for already; nothing changed.", target.name
    if rollbacks.warm(snapshot) != target and (why := rollbacks.refusal(snapshot, target)):
        raise refused(why)
    kubectl.patch(RELEASES, manifest_of(current, target), {"rollback": True})
    how = "by one switch" if rollbacks.warm(snapshot) == target else "by a new release"
    paused = f" It begins after kubectl bookstore resume {name}." if current.view.paused else ""
    image = target.spec.intent.get("image", "")
    return (
        f"Going back to revision {target.spec.revision} ({image}) {how} "
        f"(spec.rollback of {target.name}: true).{paused}",
        target.name,
    )


def _target(snapshot: Snapshot, active: BookStoreRelease, to: int | None) -> BookStoreRelease:
    """Return the release to go back to."""
    served = [release for release in snapshot.releases if release.status.promoted_at]
    if to is not None:
        matching = [release for release in served if release.spec.revision == to]
        if matching:
            return matching[-1]
        known = ", ".join(dict.fromkeys(str(release.spec.revision) for release in served))
        message = f"No release of revision {to} that has served is kept. There are: {known}."
        raise PluginError(message, ExitCode.NOT_FOUND)
    stood_in_for = next((r for r in served if r.name == active.spec.rollback_of), active)
    older = [
        release
        for release in served[: served.index(stood_in_for)]
        if release.status.result is not Result.ROLLED_BACK
    ]
    if not older:
        raise nothing(rollbacks.NOTHING_TO_GO_BACK_TO)
    return older[-1]


def _gone_back(current: Look, name: str) -> ExitCode | None:
    """Return how a rollback ended; None while it goes on."""
    target = release_named(current, name)
    answer = target.status.rollback if target else None
    if target is None:
        raise PluginError(f"BookStoreRelease {name} was deleted.", ExitCode.NOT_FOUND)
    if target.spec.rollback or answer is None:
        return ExitCode.PERSON if current.view.paused else None
    if answer.state is RollbackState.REFUSED:
        raise refused(answer.message)
    serving = release_named(current, answer.release)
    if serving is None or serving.status.result in {Result.FAILED, Result.ABORTED}:
        return ExitCode.FAILED
    return ExitCode.DONE if serving.status.served_at else None
