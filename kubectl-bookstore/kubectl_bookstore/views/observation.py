"""What was read of a BookStore, and the settings of the operator that runs it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bookstore_operator.core.plan import Manifest, ObjectRef
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


_FLAGS: Mapping[str, str] = {"postgres_image": "--postgres-image", "valkey_image": "--valkey-image"}
_VARIABLE = "BOOKSTORE_OPERATOR_"


def settings_of(operators: Sequence[Manifest]) -> OperatorSettings | None:
    """Return the settings of the operator's Deployment; None unless there is exactly one."""
    if len(operators) != 1:
        return None
    container = operators[0]["spec"]["template"]["spec"]["containers"][0]
    variables = {item["name"]: item.get("value") for item in container.get("env") or ()}
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    chosen = {}
    for setting, flag in _FLAGS.items():
        value = variables.get(_VARIABLE + setting.upper())
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word == flag:
                value = following
            elif word.startswith(f"{flag}="):
                value = word.partition("=")[2]
        if value:
            chosen[setting] = value
    return OperatorSettings(**chosen)


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
    return OperatorSettings(
        postgres_image=images.get("postgres") or fallback.postgres_image,
        valkey_image=images.get("valkey") or fallback.valkey_image,
    )
