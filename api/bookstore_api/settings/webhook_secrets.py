"""The secrets that a payment provider signs its events with.

The mounted secret `payments/webhook-secrets` is one line: `whsec_` and base64,
several separated by spaces while they are rotated; any is accepted.
"""

import base64
import binascii

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64
MAX_SECRETS = 4


def parse_webhook_secrets(text: str) -> tuple[bytes, ...]:
    """Read the secrets; raises ValueError, which repeats nothing of them."""
    words = text.split()
    secrets = tuple(map(_parse, words))
    valid = 0 < len(secrets) <= MAX_SECRETS and None not in secrets
    if not valid:
        msg = (
            f"It must be 1 to {MAX_SECRETS} secrets, each {PREFIX} and base64 of {MIN_BYTES} to "
            f"{MAX_BYTES} bytes, separated by spaces."
        )
        raise ValueError(msg)
    return tuple(secret for secret in secrets if secret is not None)


def to_base64(raw: bytes) -> str:
    """Write bytes as standard base64."""
    return base64.b64encode(raw).decode()


def _parse(word: str) -> bytes | None:
    try:
        raw = base64.b64decode(word.removeprefix(PREFIX).encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if word.startswith(PREFIX) and MIN_BYTES <= len(raw) <= MAX_BYTES else None
