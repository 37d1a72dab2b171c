"""The exit codes, and the error that ends a command with one of them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. docs/reference/kubectl-bookstore.md has this table."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """Create a member with its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "Done: what was asked for is shown or holds."
    ERROR = 1, "The cluster could not be asked: unreachable, forbidden, or an unexpected error."
    USAGE = 2, "The command line is wrong, or the file is no valid BookStore."
    PERSON = 3, "The BookStore waits for a person: an approval, a resume, or a problem to fix."
    FAILED = 4, "The release failed, was aborted or rolled back."
    TIMED_OUT = 5, "The time limit of the command passed; the cluster goes on."
    NOT_FOUND = 6, "There is no such BookStore or release, or the CRDs are not installed."
    REFUSED = 7, "The state does not allow it, such as an abort once the release serves."
    NOTHING_TO_DO = 8, "There is nothing to do, such as an abort without a release in progress."
    INTERRUPTED = 130, "Interrupted by Ctrl-C."


class PluginError(Exception):
    """Ends the command; the message says what is wrong, why, and what to do."""

    def __init__(self, message: str, code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__(message)
        self.code = code
