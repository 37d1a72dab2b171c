"""Recognize the API server's errors about admission webhooks that do not answer."""

import re

_FAILED = re.compile(r'failed calling webhook "([^"]+)"')
ADVICE = "Repair what serves the webhook, or delete its configuration."


def failed_webhook(text: str) -> str | None:
    """Return the name of the webhook that failed; None if the text is about something else.

    A webhook that answers and denies is something else: "admission webhook … denied the request".
    """
    match = _FAILED.search(text)
    return match[1] if match else None
