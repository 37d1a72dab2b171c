"""Signed events of a provider, as Standard Webhooks has them (standardwebhooks.com). Pure.

The signature covers the id, the time and the bytes of the body as they came. Any of several
secrets will do, so that they can be rotated.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from bookstore_api.settings.webhook_secrets import to_base64

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE = timedelta(minutes=5)
VERSION = "v1,"
MAX_SIGNATURES = 16
_ID = re.compile(r"[!-~]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class ForgedEventError(Exception):
    """The event is not the provider's, or not of now; the message is a code, for logs."""


def verify(secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Return the id of an event; raises ForgedEventError."""
    id_, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    given = headers.get(SIGNATURE, "").split(" ")
    if not _ID.fullmatch(id_) or not _TIMESTAMP.fullmatch(timestamp) or len(given) > MAX_SIGNATURES:
        raise ForgedEventError("malformed")
    signed = f"{id_}.{timestamp}.".encode() + body
    expected = [VERSION + sign(secret, signed) for secret in secrets]
    pairs = [(text.encode(), right.encode()) for text in given for right in expected]
    if not any([hmac.compare_digest(*pair) for pair in pairs]):  # noqa: C419 - all are compared
        raise ForgedEventError("bad-signature")
    sent_at = datetime.fromtimestamp(int(timestamp), UTC)
    if abs(now - sent_at) > TOLERANCE:
        raise ForgedEventError("too-old")
    return id_


def sign(secret: bytes, signed: bytes) -> str:
    """Sign what is signed: the id, the time and the body, with dots between."""
    return to_base64(hmac.digest(secret, signed, sha256))
