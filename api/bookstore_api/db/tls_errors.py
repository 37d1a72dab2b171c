"""Why TLS with a database does not come about."""

import re
import ssl
from types import MappingProxyType

from bookstore_api.db.sqlstates import Failure

_TLS_MISSING = Failure(
    "unreachable",
    "The server has no TLS, and the URI's sslmode demands it: enable it there, or use "
    "sslmode=prefer where the network is trusted.",
)
_TLS_FAILED = Failure(
    "unreachable", "The TLS handshake failed: check both sides' TLS versions and certificates."
)
_TLS_FILES_WRONG = Failure(
    "unreachable",
    "A file for TLS is not what the URI says: sslrootcert and sslcert are certificates in PEM, "
    "sslkey is the key of sslcert, and sslpassword decrypts that.",
)
_CLIENT_CERTIFICATE_REJECTED = Failure(
    "authentication-failed",
    "The server does not trust our certificate, or it has expired, or there is none: mount one, "
    "and name its files by sslcert and sslkey.",
)
_NOT_TRUSTED = Failure(
    "unreachable",
    "The server's certificate is not trusted: give the file of the CA that issued it by "
    "sslrootcert.",
)
_EXPIRED = Failure(
    "unreachable",
    "The server's certificate has expired, or is not valid yet: renew it, and check both clocks.",
)
_OTHER_HOST = Failure(
    "unreachable",
    "The server's certificate is for another host: use a host name that the certificate has, or "
    "sslmode=verify-ca.",
)
_REVOKED = Failure(
    "unreachable",
    "The server's certificate is revoked, or sslcrl has no valid list of the CA that issued it.",
)
# By OpenSSL's number (X509_V_ERR_…).
_CERTIFICATE_ERRORS = MappingProxyType(
    {
        3: _REVOKED,  # no revocation list
        9: _EXPIRED,  # not yet valid
        10: _EXPIRED,
        12: _REVOKED,  # the list has expired
        23: _REVOKED,
        62: _OTHER_HOST,
        64: _OTHER_HOST,  # an IP address that the certificate does not have
    }
)
# An alert that the server sends about our certificate (RFC 8446, 6.2), as OpenSSL spells it.
_CERTIFICATE_ALERT = re.compile(r"ALERT_(?:UNKNOWN_CA|\w*CERTIFICATE\w*|ACCESS_DENIED)")


def explain_tls(error: OSError) -> Failure | None:
    """Tell apart what is wrong with certificates and the handshake; None for any other error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE_ERRORS.get(error.verify_code, _NOT_TRUSTED)
    if isinstance(error, ssl.SSLError):
        if _CERTIFICATE_ALERT.search(error.reason or ""):
            return _CLIENT_CERTIFICATE_REJECTED
        # OpenSSL's parts for files have names of their own (X509, PROV …), or give no reason.
        in_handshake = error.library == "SSL" and error.reason is not None
        return _TLS_FAILED if in_handshake else _TLS_FILES_WRONG
    return _TLS_MISSING if "rejected SSL upgrade" in str(error) else None
