"""What the errors of other programs mean, and what to do about them."""

import errno
import re

from bookstore_backup.errors import BackupError, Code

MOST_TEXT = 600
_SECRET = re.compile(r"(://[^/\s:@]*):[^@/\s]*@|(password=)\S+|(AWSAccessKeyId|Signature)=\S+")

# SQLSTATE classes and states (PostgreSQL's documentation, appendix A).
_STATES = (
    (re.compile("^28"), Code.DATABASE_AUTHENTICATION_FAILED),
    (re.compile("^42501$"), Code.DATABASE_PERMISSION_DENIED),
    (re.compile("^(42P01|3F000|40001|55P03|XX000)$"), Code.DATABASE_CHANGED),
    (re.compile("^53100$"), Code.DISK_FULL),
    (re.compile("^(08|57P|53300)"), Code.DATABASE_UNREACHABLE),
)
# What libpq and the client tools write; they tell no SQLSTATE.
_TEXTS = (
    (
        r"password authentication failed|no password supplied|pg_hba\.conf|"
        r"role \".*\" does not exist",
        Code.DATABASE_AUTHENTICATION_FAILED,
    ),
    (r"permission denied|must be owner|row-level security", Code.DATABASE_PERMISSION_DENIED),
    (
        r"relation .* does not exist|cache lookup failed|lock timeout|could not obtain lock|"
        r"could not open relation",
        Code.DATABASE_CHANGED,
    ),
    (r"no space left on device|file too large|disk quota exceeded", Code.DISK_FULL),
    (
        r"could not connect|connection refused|server closed the connection|"
        r"could not translate host|connection .*(lost|reset|timed out|failed)|"
        r"terminating connection|is starting up|SSL SYSCALL|shutting down|timeout expired|"
        r"database \".*\" does not exist|no connection to|snapshot \".*\" does not exist",
        Code.DATABASE_UNREACHABLE,
    ),
)
_STORAGE = (
    (
        r"ExpiredToken|TokenRefreshRequired|token.{0,20}expired|RequestExpired",
        Code.TARGET_CREDENTIALS_EXPIRED,
    ),
    (r"NoSuchBucket", Code.TARGET_MISSING),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|401 Unauthorized|"
        r"RequestTimeTooSkewed|no credentials|CredentialsNotLoaded|Missing AccessKeyId|"
        r"Missing SecretAccessKey|169\.254\.",
        Code.TARGET_AUTHENTICATION_FAILED,
    ),
    (
        r"AccessDenied|PermissionDenied|UnauthorizedAccess|403 Forbidden|"
        r"lacked the required privileges",
        Code.TARGET_PERMISSION_DENIED,
    ),
    (r"QuotaExceeded|InsufficientStorage|507 Ins|no space left", Code.DISK_FULL),
    (
        r"SlowDown|status code: (5\d\d|429)|timed? ?out|error sending request|connect|dns|retries|"
        r"connection closed|incomplete",
        Code.TARGET_UNREACHABLE,
    ),
)
_ADVICE = {
    Code.DATABASE_UNREACHABLE: "Check that the server runs and that this Pod may reach it; the "
    "next run starts over.",
    Code.DATABASE_AUTHENTICATION_FAILED: "Correct user and password in the database URI.",
    Code.DATABASE_PERMISSION_DENIED: "Back up and restore as the owner of the database, or grant "
    "the role what is named.",
    Code.DATABASE_CHANGED: "A table was changed meanwhile. Run the backup again, and migrate "
    "through the operator, which keeps the two apart.",
    Code.DISK_FULL: "Enlarge the volume or the quota, or keep fewer backups.",
    Code.TARGET_UNREACHABLE: "Check the endpoint, the network and the store's own state; the next "
    "run starts over.",
    Code.TARGET_AUTHENTICATION_FAILED: "Correct the access key and its secret, and compare this "
    "machine's clock with the store's.",
    Code.TARGET_CREDENTIALS_EXPIRED: "Renew the credentials; files that are mounted from a Secret "
    "are read again while a backup runs.",
    Code.TARGET_PERMISSION_DENIED: "Allow the key to put, get, list and delete objects below the "
    "prefix, and look for an object lock.",
    Code.TARGET_MISSING: "Create the bucket or the folder, or correct the target.",
    Code.TARGET_FAILED: "Read the message of the target; the next run starts over.",
    Code.DUMP_FAILED: "Read what pg_dump says; the next run starts over.",
    Code.RESTORE_FAILED: "Read what pg_restore says. Nothing was changed in the database.",
}
_ERRNOS = {
    errno.ENOSPC: Code.DISK_FULL,
    errno.EDQUOT: Code.DISK_FULL,
    errno.EFBIG: Code.DISK_FULL,
    errno.EACCES: Code.TARGET_PERMISSION_DENIED,
    errno.EPERM: Code.TARGET_PERMISSION_DENIED,
    errno.EROFS: Code.TARGET_PERMISSION_DENIED,
    errno.ENOENT: Code.TARGET_MISSING,
    errno.ENOTDIR: Code.TARGET_MISSING,
}


def of_database(doing: str, text: str, state: str | None = None) -> BackupError:
    """Return the error for a failed question to the database."""
    return _error(doing, _code_of_database(text, state, Code.DATABASE_UNREACHABLE), text)


def of_dump(doing: str, text: str) -> BackupError:
    """Return the error for a pg_dump that failed, from what it wrote."""
    return _error(doing, _code_of_database(text, None, Code.DUMP_FAILED), text)


def of_restore(doing: str, text: str) -> BackupError:
    """Return the error for a pg_restore that failed, from what it wrote."""
    code = _code_of_database(text, None, Code.RESTORE_FAILED)
    return _error(doing, Code.RESTORE_FAILED if code is Code.DATABASE_CHANGED else code, text)


def of_volume(doing: str, number: int | None, text: str) -> BackupError:
    """Return the error for a file that could not be written or read, from its errno."""
    return _error(doing, _ERRNOS.get(number or 0, Code.TARGET_FAILED), text)


def of_storage(doing: str, text: str) -> BackupError:
    """Return the error for a request to an object store that failed."""
    return _error(doing, _match(text, _STORAGE) or Code.TARGET_FAILED, text)


def clean(text: str) -> str:
    """Return another program's text without passwords, in one line and not too long."""
    hidden = _SECRET.sub(lambda match: f"{match[1] or match[2] or match[3]}:***@", text)
    line = " ".join(hidden.split())
    return line if len(line) <= MOST_TEXT else f"{line[:MOST_TEXT]}…"


def _code_of_database(text: str, state: str | None, default: Code) -> Code:
    for pattern, code in _STATES:
        if state and pattern.search(state):
            return code
    return _match(text, _TEXTS) or default


def _match(text: str, table: tuple[tuple[str, Code], ...]) -> Code | None:
    return next((code for pattern, code in table if re.search(pattern, text, re.IGNORECASE)), None)


def _error(doing: str, code: Code, text: str) -> BackupError:
    cause = clean(text).rstrip(".")
    return BackupError(code, f"{doing} failed: {cause}. {_ADVICE[code]}")
