"""The Secret and key of the mail server's URI."""

from bookstore_operator.core.secret_values import Content
from bookstore_operator.core.secrets import UsedKeys
from bookstore_operator.crd.bookstore import BookStore


def smtp_keys(store: BookStore) -> UsedKeys:
    """Return the Secret and key of the URI; empty without a server."""
    smtp = store.spec.smtp
    return {smtp.secret_name: {smtp.key: Content.SMTP_URI}} if smtp else {}
