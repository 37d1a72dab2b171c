"""A volume of the BookStore: of the embedded database, or of the backups."""

from pydantic import Field

from bookstore_operator.crd.base import ObjectName, Part, Quantity

DEFAULT_SIZE = "1Gi"


class Storage(Part):
    """A volume. It can grow if its StorageClass allows that; see the rules of the BookStore."""

    size: Quantity = Field(
        DEFAULT_SIZE,
        description="Size of the volume. It can be increased if the StorageClass has "
        "`allowVolumeExpansion`, but not reduced.",
    )
    storage_class_name: ObjectName | None = Field(
        None,
        description="StorageClass of the volume. Defaults to the cluster's default StorageClass. "
        "It can't be changed once the volume exists.",
    )


def volume_rules(field: str, name: str, unless: str = "") -> list[tuple[str, str]]:
    """Return the rules, with their messages, for changes of a volume.

    They belong to the root of a BookStore, because they compare with what exists: a rule within a
    group is not evaluated while the group is added, and what was never created can be corrected.

    Args:
        field: the field of the spec that describes the volume.
        name: the volume in `status.volumes`.
        unless: the field that describes another volume instead, where it is set.

    """
    new, old = f"self.spec.{field}", f"oldSelf.spec.{field}"
    is_new, was_old = _present(new), _present(old)
    if unless:
        is_new = f"{is_new} && !has(self.spec.{unless})"
        was_old = f"{was_old} && !has(oldSelf.spec.{unless})"
    actual = f"self.status.volumes.{name}"
    known = f"({_present(actual)})"
    unbound = f"({known} && !has({actual}.size))"
    same_class = (
        f"(has({new}.storageClassName) ? has({old}.storageClassName) && "
        f"{new}.storageClassName == {old}.storageClassName : !has({old}.storageClassName))"
    )
    actual_class = (
        f"({known} && has({actual}.storageClassName) && has({new}.storageClassName) && "
        f"{new}.storageClassName == {actual}.storageClassName)"
    )
    least = (
        f"{known} ? quantity({actual}.size) : "
        f"(({was_old}) ? quantity(string({old}.size)) : quantity(string({new}.size)))"
    )
    return [
        (
            f"!({is_new}) || {unbound} || ({was_old}) && string({new}.size) == string({old}.size) "
            f"|| quantity(string({new}.size)).compareTo({least}) >= 0",
            f"{field}.size must not be less than the size of the volume: a volume can't shrink",
        ),
        (
            f"!({is_new}) || {unbound} || {actual_class} || "
            f"(({was_old}) ? {same_class} : !{known} || !has({new}.storageClassName))",
            f"{field}.storageClassName can't be changed, set or unset once the volume exists: the "
            "StorageClass of a volume can't be changed",
        ),
    ]


def _present(path: str) -> str:
    """Return the expression that a path exists, checked from its second part on."""
    parts = path.split(".")
    paths = (".".join(parts[:end]) for end in range(2, len(parts) + 1))
    return " && ".join(f"has({prefix})" for prefix in paths)
