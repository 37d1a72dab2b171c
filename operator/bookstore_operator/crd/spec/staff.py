"""`spec.staff`: the token that clients must send to write through the API."""

from pydantic import Field

from bookstore_operator.crd.base import DataKey, ObjectName, Part, rules


class Staff(
    Part,
    json_schema_extra=rules(
        (
            "has(self.secretName) || !has(self.key) || self.key == 'token'",
            "staff.key requires staff.secretName: in the Secret that the operator creates "
            "the key is token",
        )
    ),
):
    """Token that clients must send to write through the API."""

    secret_name: ObjectName | None = Field(
        None,
        description="Secret in the same namespace that contains the token, of at least 32 "
        "characters. If unset, the operator creates the Secret `<BookStore name>-staff`.",
    )
    key: DataKey = Field("token", description="Key of the Secret with the token.")
