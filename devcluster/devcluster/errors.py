"""Errors that a person can do something about."""

from pathlib import Path


class DevclusterError(Exception):
    """A sentence that says what failed, and a hint that says what to do about it.

    The command line prints both and no traceback.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class CommandFailed(DevclusterError):  # noqa: N818  # "failed" says it; the base class says Error
    """A program ended with an error, could not be started, or took too long.

    `returncode` is None when it never started or was ended for taking too long. `tail` is the end
    of what it printed; `log` the file with all of it, if there is one.
    """

    def __init__(  # noqa: PLR0913  # each is a fact about the failure
        self,
        message: str,
        *,
        argv: tuple[str, ...],
        returncode: int | None = None,
        tail: str = "",
        log: Path | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.argv = argv
        self.returncode = returncode
        self.tail = tail
        self.log = log

    def __str__(self) -> str:
        parts = [self.message]
        if self.tail:
            parts.append("\n".join(f"    {line}" for line in self.tail.splitlines()))
        if self.log:
            parts.append(f"All of its output: {self.log}")
        if self.hint:
            parts.append(self.hint)
        return "\n".join(parts)
