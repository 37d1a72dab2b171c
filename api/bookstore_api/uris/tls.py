"""Why TLS with a server does not come about; pure functions."""

import re
import ssl
from types import MappingProxyType
from typing import Literal

TlsProblem = Literal[
    "not-trusted", "expired", "other-host", "revoked", "own-certificate", "files", "handshake"
]
# By OpenSSL's number (X509_V_ERR_…).
_OF_CERTIFICATES: MappingProxyType[int, TlsProblem] = MappingProxyType(
    {
        3: "revoked",  # no revocation list
        9: "expired",  # not yet valid
        10: "expired",
        12: "revoked",  # the list has expired
        23: "revoked",
        62: "other-host",
        64: "other-host",  # an IP address that the certificate does not have
    }
)
# An alert that the server sends about our certificate (RFC 8446, 6.2), as OpenSSL spells it.
_CERTIFICATE_ALERT = re.compile(r"ALERT_(?:UNKNOWN_CA|\w*CERTIFICATE\w*|ACCESS_DENIED)")


def tls_problem(error: ssl.SSLError) -> TlsProblem:
    """Tell apart what is wrong with certificates, with the files of the URI, and the handshake.

    `own-certificate`: the server rejects ours, or wants one.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _OF_CERTIFICATES.get(error.verify_code, "not-trusted")
    if _CERTIFICATE_ALERT.search(error.reason or ""):
        return "own-certificate"
    # OpenSSL's parts for files have names of their own (X509, PROV …), or give no reason.
    in_handshake = error.library == "SSL" and error.reason is not None
    return "handshake" if in_handshake else "files"
