"""`spec.staff`: the token that writes to the API need."""

from __future__ import annotations

from pydantic import Field

from bookstore_operator.crd.base import (
    DataKey,
    ObjectName,
    Part,
    rules,
)


class Staff(
    Part,
    json_schema_extra=rules(
        (
            "has(self.secretName) || !has(self.key) || self.key == 'token'",
            "staff.key needs staff.secretName: in the Secret that the operator makes "
            "the key is token",
        ),
    ),
):
    """The token that writes to the API need."""

    secret_name: ObjectName | None = Field(
        None,
        description="The Secret with the token, of 32 characters at least. When unset, the "
        "operator makes one that is named after the BookStore, with `-staff` behind.",
    )
    key: DataKey = Field("token", description="The key of the token.")
