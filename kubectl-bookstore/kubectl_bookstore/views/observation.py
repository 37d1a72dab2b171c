"""What was read of a BookStore, and the settings of the operator that runs it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bookstore_operator.core.kinds import CRON_JOBS
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.postgres_versions import backup_images as images_by_major
from bookstore_operator.core.postgres_versions import major_of
from bookstore_operator.core.snapshot import OperatorSettings, Snapshot


@dataclass(frozen=True, slots=True)
class Observation:
    """A Snapshot, and how complete it is."""

    snapshot: Snapshot
    manifest: Manifest
    """The BookStore."""
    objects: Mapping[ObjectRef, Manifest] = field(default_factory=dict)
    """The BookStore's objects and its releases, with their managed fields."""
    notes: tuple[str, ...] = ()
    """What could not be read, and what is assumed instead."""
    unread: tuple[str, ...] = ()
    """The kinds of objects that could not be read."""

    @property
    def namespace(self) -> str:
        """The BookStore's namespace."""
        return self.snapshot.store.metadata.namespace


def with_settings(observation: Observation, settings: OperatorSettings) -> Observation:
    """Return the Observation with the operator's own settings."""
    return replace(observation, snapshot=replace(observation.snapshot, settings=settings))


_FLAGS: Mapping[str, str] = {
    "postgres_image": "--postgres-image",
    "valkey_image": "--valkey-image",
    "backup_image": "--backup-image",
}
_VARIABLE = "BOOKSTORE_OPERATOR_"


def settings_of(operators: Sequence[Manifest]) -> OperatorSettings | None:
    """Return the settings of the operator's Deployment; None unless there is exactly one."""
    if len(operators) != 1:
        return None
    container = operators[0]["spec"]["template"]["spec"]["containers"][0]
    variables = {item["name"]: item.get("value") for item in container.get("env") or ()}
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    chosen = {
        setting: _given(words, flag) or _variable(variables, setting)
        for setting, flag in _FLAGS.items()
    }
    fallback = OperatorSettings()
    postgres = next(iter(chosen["postgres_image"][-1:]), fallback.postgres_image)
    try:
        backup_images = images_by_major(chosen["backup_image"], postgres)
    except ValueError:
        backup_images = {}  # with such options the operator does not start
    return OperatorSettings(
        postgres_image=postgres,
        valkey_image=next(iter(chosen["valkey_image"][-1:]), fallback.valkey_image),
        backup_images=backup_images or fallback.backup_images,
    )


def _given(words: Sequence[str], flag: str) -> list[str]:
    """Return the values of an option on a command line."""
    following = [*words[1:], ""]
    apart = [value for word, value in zip(words, following, strict=True) if word == flag]
    return apart + [word.partition("=")[2] for word in words if word.startswith(f"{flag}=")]


def _variable(variables: Mapping[str, str | None], setting: str) -> list[str]:
    value = variables.get(_VARIABLE + setting.upper())
    return [part for part in value.split(",") if part] if value else []


def settings_in_use(snapshot: Snapshot) -> OperatorSettings:
    """Return the settings that a BookStore's objects were last written with."""
    images = {
        container["name"]: container.get("image", "")
        for obj in snapshot.objects.values()
        for container in (
            obj.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or ()
        )
    }
    fallback = OperatorSettings()
    postgres = images.get("postgres") or fallback.postgres_image
    backups = {major_of(postgres) or 0: image for image in _backup_images_in_use(snapshot)}
    return OperatorSettings(
        postgres_image=postgres,
        valkey_image=images.get("valkey") or fallback.valkey_image,
        backup_images=backups or fallback.backup_images,
    )


def _backup_images_in_use(snapshot: Snapshot) -> list[str]:
    cron_jobs = (obj for ref, obj in snapshot.objects.items() if ref.kind == CRON_JOBS.kind)
    containers = (
        container
        for cron_job in cron_jobs
        for container in cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    )
    return [item["image"] for item in containers if item["name"] == "backup"]
