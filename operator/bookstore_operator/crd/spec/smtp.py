"""`spec.smtp`: the server that sends the mails of accounts."""

from pydantic import Field

from bookstore_operator.crd.base import DataKey, ObjectName, Part


class Smtp(Part):
    """Server that sends mails."""

    secret_name: ObjectName = Field(
        description="Secret in the same namespace that contains the server's URI: "
        "`smtp://user:password@host:587` (STARTTLS), `smtps://…:465` (TLS), or "
        "`smtp://host?tls=off`."
    )
    key: DataKey = Field("uri", description="Key of the Secret with the URI.")
