"""The options that all commands share, and how a command begins and ends."""

import inspect
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from kubectl_bookstore.cluster.kubectl import REQUEST_SECONDS, Connection, Kubectl
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.output import Format, complain


def _option(*flags: str, text: str, **more: Any) -> Any:
    return typer.Option(*flags, help=text, **more)


_CONNECTION: dict[str, Any] = {
    "namespace": Annotated[
        str | None, _option("--namespace", "-n", text="Namespace; default: that of the context.")
    ],
    "context": Annotated[str | None, _option("--context", text="Context of the kubeconfig.")],
    "kubeconfig": Annotated[
        str | None, _option("--kubeconfig", text="Kubeconfig file; default: $KUBECONFIG.")
    ],
    "impersonate": Annotated[str | None, _option("--as", text="User to impersonate.")],
    "groups": Annotated[
        list[str] | None, _option("--as-group", text="Group to impersonate; may be repeated.")
    ],
    "request_seconds": Annotated[
        int,
        _option("--request-timeout", text="Most seconds for one request.", min=1, max=600),
    ],
}


def command(function: Callable[..., ExitCode | None]) -> Callable[..., None]:
    """Return a command for typer: its first parameter, a Kubectl, is made from shared options.

    A PluginError becomes its message on standard error and its exit code.
    """
    signature = inspect.signature(function)
    _, *own = signature.parameters.values()
    shared = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=REQUEST_SECONDS if name == "request_seconds" else None,
            annotation=annotation,
        )
        for name, annotation in _CONNECTION.items()
    ]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + shared

    def run(**given: Any) -> None:
        kubectl = Kubectl(connection_of(given))
        arguments = {name: value for name, value in given.items() if name not in _CONNECTION}
        try:
            code = function(kubectl, **arguments)
            sys.stdout.flush()
        except PluginError as error:
            complain(str(error))
            code = error.code
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
        except BrokenPipeError:  # the reader, such as `head`, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = ExitCode.DONE
        raise typer.Exit(int(code or ExitCode.DONE))

    run.__name__ = function.__name__
    # \b keeps the lines of the paragraph that follows it.
    run.__doc__ = (inspect.getdoc(function) or "").replace("For example:", "\b\nFor example:")
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def connection_of(given: dict[str, Any]) -> Connection:
    """Return the Connection in a command's parameters."""
    return Connection(
        namespace=given.get("namespace"),
        context=given.get("context"),
        kubeconfig=given.get("kubeconfig"),
        impersonate=given.get("impersonate"),
        groups=tuple(given.get("groups") or ()),
        request_seconds=given.get("request_seconds") or REQUEST_SECONDS,
    )


Name = Annotated[
    str | None,
    typer.Argument(
        help="Name of the BookStore; not needed if it is the only one of the namespace.",
        show_default=False,
        metavar="NAME",
    ),
]
RequiredName = Annotated[str, typer.Argument(help="Name of the BookStore.", metavar="NAME")]
Output = Annotated[Format, typer.Option("--output", "-o", help="Format of the output.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait until it is done, fails, or waits for a person.")
]
Timeout = Annotated[
    int, typer.Option("--timeout", help="Most seconds to wait with --wait.", min=1, max=86400)
]
TIMEOUT_SECONDS = 900
