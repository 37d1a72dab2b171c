"""`spec.env` and `spec.secretMounts`: what an API image of one's own needs besides the contract."""

from typing import Annotated

from pydantic import Field

from bookstore_operator.crd.base import DataKey, ObjectName, Part, rules

RESERVED_PREFIX = "BOOKSTORE_"
RESERVED_FOLDER = "/run/secrets/bookstore"

EnvironmentName = Annotated[
    str,
    Field(
        max_length=100,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        json_schema_extra=rules(
            (
                f"!self.startsWith('{RESERVED_PREFIX}')",
                f"names that begin with {RESERVED_PREFIX} are reserved for the operator: see "
                "spec.config for the settings of the API",
            )
        ),
    ),
]
MountPath = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^(/[A-Za-z0-9._-]+)+$",
        json_schema_extra=rules(
            (
                "!self.matches('/[.][.]?(/|$)')",
                "a mount path must not contain the elements . and ..",
            ),
            (
                f"!(self + '/').startsWith('{RESERVED_FOLDER}/') && "
                f"!('{RESERVED_FOLDER}/').startsWith(self + '/') && self != '/tmp'",
                f"{RESERVED_FOLDER} and /tmp are reserved for the operator: choose another mount "
                "path, such as /run/secrets/own",
            ),
        ),
    ),
]


class KeyReference(Part):
    """A key of a Secret or ConfigMap in the same namespace."""

    name: ObjectName = Field(description="Name of the object.")
    key: DataKey = Field(description="Key with the value.")


class EnvironmentVariable(
    Part,
    json_schema_extra=rules(
        (
            "(has(self.value) ? 1 : 0) + (has(self.secretKeyRef) ? 1 : 0) "
            "+ (has(self.configMapKeyRef) ? 1 : 0) == 1",
            "exactly one of value, secretKeyRef and configMapKeyRef must be set",
        )
    ),
):
    """An environment variable of the API's containers. Set exactly one source of its value."""

    name: EnvironmentName = Field(description="Name of the variable.")
    value: Annotated[str, Field(max_length=2048)] | None = Field(None, description="Its value.")
    secret_key_ref: KeyReference | None = Field(
        None, description="Key of a Secret with its value, read when a container starts."
    )
    config_map_key_ref: KeyReference | None = Field(
        None, description="Key of a ConfigMap with its value, read when a container starts."
    )


class SecretMount(Part):
    """A Secret mounted as a folder, with a file for each key."""

    secret_name: ObjectName = Field(description="Secret in the same namespace.")
    mount_path: MountPath = Field(description="Folder of the files. Example: `/run/secrets/own`.")


EnvironmentVariables = Annotated[
    list[EnvironmentVariable],
    Field(
        max_length=50,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    ),
]
SecretMounts = Annotated[
    list[SecretMount],
    Field(
        max_length=10,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["mountPath"],
        },
    ),
]
