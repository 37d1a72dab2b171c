"""The exit codes, and the error that ends a command with one of them."""

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """How a command ended. docs/reference/bookstore-backup.md has this table."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """Create a member with its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "Done: what was asked for holds."
    ERROR = 1, "It failed: the database, the target or a program; `code` says which and why."
    USAGE = 2, "The command line, a file that it names or a setting is wrong."
    DAMAGED = 3, "A backup can't be restored as it was taken: damaged, incomplete or a lost key."
    LOCKED = 5, "Another backup, a restore or a migration held the database's lock for too long."
    NOT_FOUND = 6, "There is no such backup."
    REFUSED = 7, "The state does not allow it, such as a restore into a database with content."
    INTERRUPTED = 130, "Interrupted by Ctrl-C."


class Code(StrEnum):
    """What went wrong, for programs. docs/reference/bookstore-backup.md has this table."""

    exit_code: ExitCode
    meaning: str

    def __new__(cls, value: str, exit_code: ExitCode, meaning: str) -> "Code":
        """Create a member with the exit code that it ends a command with."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.exit_code = exit_code
        member.meaning = meaning
        return member

    USAGE = "usage", ExitCode.USAGE, "An option or a file that it names is missing or wrong."
    DATABASE_UNREACHABLE = (
        *("database-unreachable", ExitCode.ERROR),
        "The server does not answer, or the connection was lost.",
    )
    DATABASE_AUTHENTICATION_FAILED = (
        *("database-authentication-failed", ExitCode.ERROR),
        "The server rejects user or password.",
    )
    DATABASE_PERMISSION_DENIED = (
        *("database-permission-denied", ExitCode.ERROR),
        "The role may not read or create all that it has to.",
    )
    DATABASE_CHANGED = (
        *("database-changed", ExitCode.ERROR),
        "A table was dropped or altered while the backup began.",
    )
    DATABASE_LOCKED = (
        *("database-locked", ExitCode.LOCKED),
        "Another backup, a restore or a migration is at work.",
    )
    POOLER = (
        *("pooler", ExitCode.REFUSED),
        "The URI leads to a connection pooler in transaction mode.",
    )
    NO_TOOLS = (
        *("no-tools", ExitCode.REFUSED),
        "There are no client tools that suit the server's major version.",
    )
    DUMP_FAILED = "dump-failed", ExitCode.ERROR, "pg_dump failed for another reason."
    RESTORE_FAILED = "restore-failed", ExitCode.ERROR, "pg_restore failed for another reason."
    SERVER_FAILED = (
        *("server-failed", ExitCode.ERROR),
        "The ephemeral server of a drill does not start.",
    )
    DISK_FULL = "disk-full", ExitCode.ERROR, "The volume or the bucket's quota is full."
    TARGET_UNREACHABLE = (
        *("target-unreachable", ExitCode.ERROR),
        "The object store does not answer, or keeps failing or throttling after all retries.",
    )
    TARGET_AUTHENTICATION_FAILED = (
        *("target-authentication-failed", ExitCode.ERROR),
        "The object store rejects the key or its signature.",
    )
    TARGET_CREDENTIALS_EXPIRED = (
        *("target-credentials-expired", ExitCode.ERROR),
        "The object store's credentials expired, and no new ones came in time.",
    )
    TARGET_PERMISSION_DENIED = (
        *("target-permission-denied", ExitCode.ERROR),
        "The key or the user may not write, read, list or delete there.",
    )
    TARGET_MISSING = "target-missing", ExitCode.ERROR, "There is no such bucket or folder."
    TARGET_FAILED = "target-failed", ExitCode.ERROR, "The target failed for another reason."
    READ_BACK_FAILED = (
        *("read-back-failed", ExitCode.ERROR),
        "The target gave back something else than was stored.",
    )
    DAMAGED = "damaged", ExitCode.DAMAGED, "The backup is not what its manifest says."
    KEY_MISSING = (
        *("key-missing", ExitCode.DAMAGED),
        "The backup is encrypted, and no given key opens it.",
    )
    CONTENT_DIFFERS = (
        *("content-differs", ExitCode.DAMAGED),
        "What was restored is not what was in the database when it was backed up.",
    )
    NOT_FOUND = "not-found", ExitCode.NOT_FOUND, "There is no such backup."
    NO_MANIFEST = "no-manifest", ExitCode.REFUSED, "A dump of an older operator has no manifest."
    NOT_EMPTY = "not-empty", ExitCode.REFUSED, "The database to restore into has content."
    INTERRUPTED = "interrupted", ExitCode.INTERRUPTED, "Interrupted by Ctrl-C or SIGTERM."


class BackupError(Exception):
    """Ends a command; the message says what is wrong, why, and what to do."""

    def __init__(self, code: Code, message: str, backup: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.backup = backup
        """The name of the backup that it is about; empty if it is about none, or any."""
