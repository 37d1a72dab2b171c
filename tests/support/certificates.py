"""Certificates for tests: an authority that is trusted, one that is not, and what they issued."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

_LONG_AGO = datetime(2021, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as files in PEM."""

    file: Path
    key: Path


class Authority:
    """Issues certificates, and writes them to a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """Make one with a new key; its own certificate is `file`."""
        self._folder, self._name = folder, name
        self._authority = trustme.CA()
        self.file = folder / f"{name}.crt"
        self._authority.cert_pem.write_to_path(self.file)

    def issue(self, *hosts: str, user: str | None = None, expired: bool = False) -> Certificate:
        """Issue a certificate for hosts, with a user's name as its common name if one is given."""
        issued = self._authority.issue_cert(
            *hosts,
            common_name=user,
            not_before=_LONG_AGO if expired else None,
            not_after=_LONG_AGO + timedelta(days=1) if expired else None,
        )
        number = sum(1 for _ in self._folder.iterdir())
        stem = self._folder / f"{self._name}-{number}"
        certificate = Certificate(stem.with_suffix(".crt"), stem.with_suffix(".key"))
        issued.private_key_pem.write_to_path(certificate.key)
        certificate.file.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        return certificate
