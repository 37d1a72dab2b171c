"""Take secrets out of what leaves the cluster. Pure.

Two nets, since each has holes: the values of the Secrets that a BookStore uses, wherever they are
repeated, and everything that looks like a secret, whoever has written it.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

MASK = "[masked]"
_SHORTEST = 6
"""Shorter values are words of the text as likely as they are secrets."""
_PLAIN_KEYS = frozenset({"username", "user", "dbname", "database", "host", "port", "ca.crt"})
"""Keys of Secrets that hold no secret: masking a host's name would hide what a report is for."""
_DROPPED = ("managedFields",)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PATTERNS = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"(?P<keep>[a-z][a-z0-9+.-]*://[^\s:/@\"']*:)[^\s@\"']+(?=@)", re.IGNORECASE),
        (
            r"(?P<keep>\b[\w.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)\b"
            r"[\\\"']*\s*[=:]\s*[\\\"']*)(?!\[masked\])[^\s\\\"',;&}\]]+",
            re.IGNORECASE,
        ),
        (r"(?P<keep>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
        (r"(?P<keep>)\beyJ[\w-]+\.[\w-]+\.[\w-]*", 0),  # a JSON web token
        (r"(?P<keep>)\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", 0),
        (r"(?P<keep>)\bAGE-SECRET-KEY-[A-Z0-9-]+", re.IGNORECASE),
        (
            r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*-----|\Z)",
            re.DOTALL,
        ),
    )
)
_SECRET_FIELDS = re.compile(
    r"(?i)(password|passwd|token|apikey|accesskey|privatekey|credential)s?$"
)


class Masker:
    """Masks the values of some Secrets, and what looks like one."""

    def __init__(self, secrets: Iterable[Mapping[str, Any]] = ()) -> None:
        found = {text for secret in secrets for text in _values(secret)}
        spelled = sorted({form for text in found for form in _forms(text)}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, spelled))) if spelled else None

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        if self._known:
            text = self._known.sub(MASK, text)
        for pattern in _PATTERNS:
            text = pattern.sub(lambda match: match["keep"] + MASK, text)
        return text

    def manifest(self, value: Any, field: str = "") -> Any:
        """Return an object, or a part of it, without secrets and without managed fields."""
        if isinstance(value, Mapping):
            return {key: self._field(key, inner) for key, inner in value.items() if _is_kept(key)}
        if isinstance(value, list):
            return [
                self._variable(item) if field == "env" else self.manifest(item) for item in value
            ]
        return self.text(value) if isinstance(value, str) else value

    def _field(self, key: str, value: Any) -> Any:
        if isinstance(value, str):
            if key == "podTemplate" and (template := _parsed(value)) is not None:
                return json.dumps(self.manifest(template))
            if _SECRET_FIELDS.search(key) and not key.endswith("Name"):
                return MASK
        return self.manifest(value, key)

    def _variable(self, variable: Any) -> Any:
        """Return an environment variable without its value: anybody may have put anything there."""
        masked = self.manifest(variable)
        if isinstance(masked, dict) and isinstance(masked.get("value"), str):
            masked["value"] = MASK
        return masked


def described(secret: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Secret's name, type and keys, with the length of each value in bytes."""
    metadata = secret.get("metadata") or {}
    kept = ("name", "namespace", "uid", "creationTimestamp", "resourceVersion", "labels")
    return {
        "kind": "Secret",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "type": secret.get("type"),
        "keys": {key: len(_decoded(value)) for key, value in (secret.get("data") or {}).items()},
    }


def _is_kept(key: str) -> bool:
    return key not in _DROPPED and key != _LAST_APPLIED


def _values(secret: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is secret in a Secret: whole values, their lines, the passwords in their URIs."""
    for key, encoded in (secret.get("data") or {}).items():
        if key in _PLAIN_KEYS:
            continue
        text = _decoded(encoded).decode("utf-8", "replace").strip()
        yield text
        yield from (line.strip() for line in text.splitlines() if "-----" not in line)
        yield from _passwords(text)
        yield from re.findall(r'"(?:auth|password)":\s*"([^"]+)"', text)


def _passwords(text: str) -> Iterator[str]:
    try:
        password = urlsplit(text).password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))


def _forms(text: str) -> Iterator[str]:
    """Yield how a value may be written: as it is, in a URI, in JSON, in base64."""
    if len(text) >= _SHORTEST:
        yield from (text, quote(text, safe=""), json.dumps(text)[1:-1])
        yield base64.b64encode(text.encode()).decode().rstrip("=")


def _decoded(encoded: object) -> bytes:
    try:
        return base64.b64decode(str(encoded), validate=True)
    except binascii.Error:
        return b""


def _parsed(text: str) -> Any | None:
    try:
        return json.loads(text)
    except ValueError:
        return None
