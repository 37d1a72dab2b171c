"""The options that the commands share, and how a command begins and ends."""

import inspect
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bookstore_backup.errors import BackupError, Code, ExitCode
from bookstore_backup.output import Format, Progress, complain, print_json, say, write_termination
from bookstore_backup.postgres.connection import Database
from bookstore_backup.postgres.programs import find_tools
from bookstore_backup.storage.encryption import identities_in
from bookstore_backup.storage.opening import open_target
from bookstore_backup.storage.repository import Repository
from bookstore_backup.storage.s3 import Settings
from bookstore_backup.work.workplace import LOCK_WAIT_SECONDS, Silent, Workplace

_ENV = "BOOKSTORE_BACKUP_"
URI_VARIABLE = f"{_ENV}URI"
SERVER_URI_VARIABLE = f"{_ENV}SERVER_URI"


def _option(flag: str, text: str, **more: Any) -> Any:
    variable = _ENV + flag.removeprefix("--").replace("-", "_").upper()
    return typer.Option(flag, help=text, envvar=variable, show_default=False, **more)


_TARGET: dict[str, tuple[Any, Any]] = {
    "store": (
        Annotated[str, _option("--store", "Name of the store, such as production.shop.")],
        inspect.Parameter.empty,
    ),
    "target": (
        Annotated[
            str, _option("--target", "Where backups are: file:///FOLDER or s3://BUCKET/PREFIX.")
        ],
        inspect.Parameter.empty,
    ),
    "s3_endpoint": (
        Annotated[str | None, _option("--s3-endpoint", "URL of the object store; default: AWS.")],
        None,
    ),
    "s3_region": (Annotated[str | None, _option("--s3-region", "Region of the bucket.")], None),
    "s3_virtual_host": (
        Annotated[
            bool, _option("--s3-virtual-host", "The endpoint's host name begins with the bucket's.")
        ],
        False,
    ),
    "s3_checksum": (
        Annotated[
            str | None,
            _option("--s3-checksum", "sha256 or crc64nvme, which a bucket with object lock needs."),
        ],
        None,
    ),
    "s3_credentials": (
        Annotated[
            Path | None,
            _option(
                "--s3-credentials",
                "Folder with the files access-key-id, secret-access-key and session-token, read "
                "again while the command runs; default: AWS's variables and workload identity.",
            ),
        ],
        None,
    ),
    "ca_bundle": (
        Annotated[Path | None, _option("--ca-bundle", "File with the CA of the endpoint.")],
        None,
    ),
    "tools": (
        Annotated[
            list[Path] | None,
            _option("--tools", "Folder of pg_dump and pg_restore; may be repeated."),
        ],
        None,
    ),
    "identities_file": (
        Annotated[
            Path | None, _option("--identities-file", "File with private keys of age, one a line.")
        ],
        None,
    ),
    "output": (
        Annotated[Format, typer.Option("--output", "-o", help="Format of the output.")],
        Format.TEXT,
    ),
    "quiet": (Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")], False),
}
UriFile = Annotated[
    Path | None,
    _option("--uri-file", f"File with the database URI; default: the variable {URI_VARIABLE}."),
]
LockWait = Annotated[
    float,
    _option("--lock-wait", f"Most seconds to wait for the lock; default: {LOCK_WAIT_SECONDS:g}."),
]
Name = Annotated[str, typer.Argument(help="Name of the backup, or `latest`.", metavar="NAME")]


@dataclass(frozen=True)
class Result:
    """What a command ends with: a line for people, data for programs, warnings."""

    message: str
    data: dict[str, Any]
    warnings: tuple[str, ...] = ()
    text: Callable[[], None] | None = None


def command(function: Callable[..., Result]) -> Callable[..., None]:
    """Return a command for typer: its first parameter, a Workplace, is made from shared options.

    A BackupError becomes its message on standard error, its code and its exit code.
    """
    _, *own = inspect.signature(function).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter(name, keyword, default=default, annotation=annotation)
        for name, (annotation, default) in _TARGET.items()
    ]
    parameters = [parameter.replace(kind=keyword) for parameter in own] + shared

    def run(**given: Any) -> None:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        progress = None if given["quiet"] else Progress()
        arguments = {name: value for name, value in given.items() if name not in _TARGET}
        name = function.__name__.rstrip("_").replace("_", "-")
        try:
            result = function(_workplace(given, progress), **arguments)
            _end(progress)
            _show(name, result, given["output"])
            code = ExitCode.DONE
        except BackupError as error:
            _end(progress)
            code = _fail(name, error, given["output"])
        except KeyboardInterrupt:
            _end(progress)
            text = "Interrupted. What was begun is deleted by the next backup."
            code = _fail(name, BackupError(Code.INTERRUPTED, text), given["output"])
        except BrokenPipeError:  # the reader, such as `head`, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = ExitCode.DONE
        finally:
            signal.signal(signal.SIGTERM, before)
        raise typer.Exit(int(code))

    run.__name__ = function.__name__
    run.__doc__ = inspect.getdoc(function)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def server_of(uri_file: Path | None) -> Database | None:
    """Return the server that a file or the environment names; None if neither does."""
    if uri_file is None and not os.environ.get(SERVER_URI_VARIABLE):
        return None
    return database_of(uri_file, "--server-uri-file", SERVER_URI_VARIABLE)


def database_of(
    uri_file: Path | None, option: str = "--uri-file", variable: str = URI_VARIABLE
) -> Database:
    """Return the database that a file or the environment names; raises BackupError."""
    if uri_file is None:
        uri = os.environ.get(variable, "")
    else:
        try:
            uri = uri_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BackupError(Code.USAGE, f"{uri_file} can't be read: {error}.") from error
    if not uri.strip():
        raise BackupError(Code.USAGE, f"There is no database URI: give {option} or set {variable}.")
    return Database.of(uri)


def _workplace(given: dict[str, Any], progress: Progress | None) -> Workplace:
    settings = Settings(
        bucket="",
        endpoint=given["s3_endpoint"],
        region=given["s3_region"],
        path_style=not given["s3_virtual_host"],
        ca_bundle=given["ca_bundle"],
        checksum=given["s3_checksum"],
        credentials=given["s3_credentials"],
    )
    return Workplace(
        repository=Repository(open_target(given["target"], settings), given["store"]),
        tools=find_tools(given["tools"] or ()),
        identities=identities_in(given["identities_file"]),
        report=progress or Silent(),
    )


def _show(name: str, result: Result, form: Format) -> None:
    whole = {"command": name, "code": "done", "message": result.message, **result.data}
    if result.warnings:
        whole["warnings"] = list(result.warnings)
    if form is Format.JSON:
        print_json(whole)
    elif result.text is not None:
        result.text()
    else:
        say(result.message)
    for warning in result.warnings:
        complain(f"warning: {warning}")
    write_termination(whole)


def _fail(name: str, error: BackupError, form: Format) -> ExitCode:
    whole = {"command": name, "code": str(error.code), "message": str(error)}
    whole |= {"name": error.backup} if error.backup else {}
    complain(str(error))
    if form is Format.JSON:
        print_json(whole)
    write_termination(whole)
    return error.code.exit_code


def _end(progress: Progress | None) -> None:
    if progress is not None:
        progress.end()
