"""E-mail addresses: what is taken for one, and which two are the same. Pure."""

import re

from bookstore_api.db.sort_text import nfkc_casefold

# As browsers check them (HTML, "valid e-mail address"), with a dot in the domain: ASCII only, since
# not every mail server takes others. The domain of an international one is written as xn--….
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(
    rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+", re.ASCII
)


def check_email(text: str) -> str:
    """Return an address as it is; raises ValueError for what is none."""
    local, _, _ = text.partition("@")
    if not _ADDRESS.fullmatch(text) or local.startswith(".") or local.endswith("."):
        msg = "Not an e-mail address like name@example.com"
        raise ValueError(msg)
    return text


def email_key(email: str) -> str:
    """Return what two addresses have in common that belong to one account: letters' case is not."""
    return nfkc_casefold(email)
