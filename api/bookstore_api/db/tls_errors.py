"""Why TLS with a database does not come about."""

import ssl
from collections.abc import Mapping
from types import MappingProxyType

from bookstore_api.db.sqlstates import Failure
from bookstore_api.uris.tls import TlsProblem, tls_problem

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
_BY_PROBLEM: Mapping[TlsProblem, Failure] = MappingProxyType(
    {
        "not-trusted": _NOT_TRUSTED,
        "expired": _EXPIRED,
        "other-host": _OTHER_HOST,
        "revoked": _REVOKED,
        "own-certificate": _CLIENT_CERTIFICATE_REJECTED,
        "files": _TLS_FILES_WRONG,
        "handshake": _TLS_FAILED,
    }
)


def explain_tls(error: OSError) -> Failure | None:
    """Tell apart what is wrong with certificates and the handshake; None for any other error."""
    if isinstance(error, ssl.SSLError):
        return _BY_PROBLEM[tls_problem(error)]
    return _TLS_MISSING if "rejected SSL upgrade" in str(error) else None
