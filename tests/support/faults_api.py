"""`bookstore-api serve` with routes that fail in every way, what was sent in the fault.

A program: `python -m tests.support.faults_api serve`. All but the routes is the real thing.
"""

import asyncio
import gc
import logging
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest.mock import patch

import structlog
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bookstore_api import app as composition
from bookstore_api import cli
from bookstore_api.app import create_app
from bookstore_api.kit.sessions import Reading

PATH = "/api/v1/faults"
log = structlog.stdlib.get_logger("bookstore_api.faults")


class Age(BaseModel):
    age: int


class Unraisable:
    """Raises in `__del__`, where no caller can catch the exception."""

    def __init__(self, sent: str) -> None:
        self.sent = sent

    def __del__(self) -> None:
        raise ValueError(self.sent)


def fail(sent: str) -> None:
    """Fail with what was sent as the exception's text."""
    raise ValueError(sent)


def fail_for_a_reason(sent: str) -> None:
    """Fail with a cause and a context."""
    try:
        try:
            fail(sent)
        except ValueError:
            raise KeyError(sent)  # noqa: B904 - what it happened in is shown, too
    except KeyError as error:
        raise RuntimeError(sent) from error


def fail_in_a_group(sent: str) -> None:
    """Fail in several ways at once."""
    try:
        fail(sent)
    except ValueError as error:
        raise ExceptionGroup(sent, [error, OSError(5, sent, sent)])  # noqa: B904


def fail_deeply(sent: str) -> None:
    """Fail in more frames than anybody wants to read."""
    fail_deeply(sent)


def warn(sent: str) -> None:
    """Have Python warn."""
    warnings.warn(sent, RuntimeWarning, stacklevel=1)


def log_as_a_library(sent: str) -> None:
    """Log in the ways that libraries do."""
    library = logging.getLogger("some.library")
    library.warning(ready_made := "could not find " + sent)
    library.warning("could not find %s", sent, extra={"email": sent})
    library.error("%(what)s is missing", {"what": sent})
    logging.getLogger("asyncio").error(ready_made)
    logging.getLogger("sqlalchemy.pool").error("Exception terminating %r", sent)
    logging.getLogger("uvicorn.error").error("returned '%s'", sent)


def log_fields(sent: str) -> None:
    """Log fields that nobody allowed, and values that are not of their field."""
    # No digits alone: the number of a card has the form of a pseudonym.
    client = f"{sent}!"
    log.info("fields", email=sent, seconds=sent, ready=sent, status=sent, client=client, time=sent)


def leak(sent: str) -> None:
    """Do what must be found: the only field of free text."""
    log.info("free text", folder=sent)


def lose_a_task(sent: str) -> None:
    """Have a task fail that nobody waits for."""

    async def fail_soon() -> None:
        fail(sent)

    loop = asyncio.get_running_loop()
    loop.create_task(fail_soon(), name=sent)  # noqa: RUF006 - to be lost
    loop.call_soon(fail, sent)


def fail_in_a_thread(sent: str) -> None:
    """Have a thread of its own fail."""
    threading.Thread(target=fail, args=(sent,), name=sent).start()


def fail_to_be_raised(sent: str) -> None:
    """Fail in a destructor."""
    Unraisable(sent)
    gc.collect()


def validate(sent: str) -> None:
    """Fail as pydantic does."""
    Age.model_validate({"age": sent, sent: sent})


def parse(sent: str) -> None:
    """Fail as pydantic does with JSON."""
    TypeAdapter(dict[str, int]).validate_json(sent)


def refuse(sent: str) -> None:
    """Answer with an error."""
    raise HTTPException(418, sent, {"x-sent": "no"})


FAULTS: dict[str, Callable[[str], None]] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        fail, fail_for_a_reason, fail_in_a_group, fail_deeply, warn, log_as_a_library, log_fields,
        lose_a_task, fail_in_a_thread, fail_to_be_raised, validate, parse, refuse,
    )
}  # fmt: skip
LEAK = {"leak": leak}
NAMES = (*FAULTS, "in-a-synchronous-route", "answer", "break-off", "database", "two-answers")


async def sent_in(request: Request) -> str:
    """Return the body, as a text."""
    return (await request.body()).decode("utf-8", "replace")


def add_faults(app: FastAPI) -> FastAPI:
    """Add the routes."""

    def route_to(fault: Callable[[str], None]) -> Callable[[Request], Awaitable[dict[str, str]]]:
        # A closure: an argument with a default is a parameter of the query to FastAPI.
        async def run(request: Request) -> dict[str, str]:
            fault(await sent_in(request))
            return {}

        return run

    for name, fault in (FAULTS | LEAK).items():
        app.add_api_route(f"{PATH}/{name}", route_to(fault), methods=["POST"], response_model=None)

    @app.post(f"{PATH}/in-a-synchronous-route/{{sent}}")
    def run_in_a_thread(sent: str) -> None:
        log.info("in a thread")
        fail(sent)

    @app.post(f"{PATH}/answer")
    async def answer_wrongly(request: Request) -> Age:
        wrong: Any = {"age": await sent_in(request)}
        return wrong  # type: ignore[no-any-return]

    @app.post(f"{PATH}/break-off")
    async def break_off(request: Request) -> StreamingResponse:
        sent = await sent_in(request)

        async def parts() -> AsyncIterator[bytes]:
            yield b"part"
            fail(sent)

        return StreamingResponse(parts())

    @app.post(f"{PATH}/database")
    async def ask_the_database(request: Request, read: Reading) -> None:
        statement = text("SELECT CAST(CAST(:sent AS text) AS integer)")
        sent = await sent_in(request)
        await read(lambda session: session.execute(statement, {"sent": sent}))

    @app.post(f"{PATH}/two-answers")
    async def answer_twice(request: Request) -> Response:
        sent = await sent_in(request)
        return Response(sent, headers={"content-length": "3"})

    return app


if __name__ == "__main__":
    with patch.object(composition, "create_app", lambda *given: add_faults(create_app(*given))):
        cli.app()
