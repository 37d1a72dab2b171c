"""`spec.signingKeys`: the keys that access tokens of accounts are signed with."""

from pydantic import Field

from bookstore_operator.crd.base import DataKey, ObjectName, Part, rules


class SigningKeys(
    Part,
    json_schema_extra=rules(
        (
            "has(self.secretName) || !has(self.key) || self.key == 'keys'",
            "signingKeys.key requires signingKeys.secretName: in the Secret that the operator "
            "creates the key is keys",
        )
    ),
):
    """Keys that access tokens of accounts are signed with."""

    secret_name: ObjectName | None = Field(
        None,
        description="Secret in the same namespace that contains the key set. It is yours to "
        "rotate. If unset, the operator creates the Secret `<BookStore name>-signing-keys` and "
        "rotates its keys.",
    )
    key: DataKey = Field("keys", description="Key of the Secret with the key set.")
    rotate_every_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="For how long a key signs before the operator rotates it, in days. 0: only on "
        "demand.",
    )
