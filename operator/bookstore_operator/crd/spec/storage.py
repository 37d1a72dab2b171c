"""`spec.database.embedded.storage` and `spec.backup.storage`: a volume."""

from pydantic import Field

from bookstore_operator.crd.base import ObjectName, Part, Quantity


class Storage(Part):
    """A volume. It can grow if its StorageClass allows that; see the rules of the BookStore."""

    size: Quantity = Field(
        "1Gi",
        description="Size of the volume. It can be increased if the StorageClass has "
        "`allowVolumeExpansion`, but not reduced.",
    )
    storage_class_name: ObjectName | None = Field(
        None,
        description="StorageClass of the volume. Defaults to the cluster's default StorageClass. "
        "It can't be changed once the volume exists.",
    )


def volume_rules(group: str, name: str) -> list[tuple[str, str]]:
    """Return the rules, with their messages, for changes of a volume.

    They belong to the root of a BookStore, because they compare with what exists: a rule within a
    group is not evaluated while the group is added, and what was never created can be corrected.

    Args:
        group: the group in the spec that has the field `storage`.
        name: the volume in `status.volumes`.

    """
    field = f"{group}.storage"
    new, old = f"self.spec.{field}", f"oldSelf.spec.{field}"
    is_new, was_old = _present(f"self.spec.{group}"), _present(f"oldSelf.spec.{group}")
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
