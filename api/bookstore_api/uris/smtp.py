"""URIs of a mail server."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, urlsplit

from bookstore_api.uris.conninfo import check_text, decode

_FORM = (
    "The SMTP URI must be like smtp://user:password@host:587, smtps:// for TLS from the start, or "
    "smtp://host?tls=off: percent-encode special characters in its password."
)
_PLAIN_PASSWORD = "The SMTP URI has a password and tls=off: it would be sent for all to read."  # noqa: S105 - a message


class Tls(StrEnum):
    """When a connection is encrypted."""

    STARTTLS = "starttls"
    FROM_START = "on"
    OFF = "off"


_PORTS = {Tls.STARTTLS: 587, Tls.FROM_START: 465, Tls.OFF: 25}


@dataclass(frozen=True, repr=False)
class SmtpServer:
    """Where mails are sent by, and who we are there; holds the password, so no repr."""

    host: str
    port: int
    tls: Tls
    username: str | None
    password: str | None


def parse_smtp_uri(uri: str) -> SmtpServer:
    """Understand a URI of a mail server; raises ValueError, never with the URI in it."""
    try:
        check_text(uri.strip())
        parts = urlsplit(uri.strip())
        query = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
        username, password = (
            decode(text or "") or None for text in (parts.username, parts.password)
        )
        host, port = decode(parts.hostname or ""), parts.port
        tls = _tls(parts.scheme, query)
    except ValueError:
        raise ValueError(_FORM) from None
    if not host or port == 0 or parts.path.strip("/") or parts.fragment:
        raise ValueError(_FORM)
    if (username is None) != (password is None):
        raise ValueError(_FORM)
    if password and tls is Tls.OFF:
        raise ValueError(_PLAIN_PASSWORD)
    return SmtpServer(host, port or _PORTS[tls], tls, username, password)


def _tls(scheme: str, query: dict[str, str]) -> Tls:
    """Return when to encrypt; raises ValueError."""
    if scheme == "smtps" and not query:
        return Tls.FROM_START
    if scheme != "smtp" or query.keys() - {"tls"}:
        raise ValueError(_FORM)
    tls = Tls(query.get("tls", Tls.STARTTLS))
    if tls is Tls.FROM_START:
        raise ValueError(_FORM)
    return tls
