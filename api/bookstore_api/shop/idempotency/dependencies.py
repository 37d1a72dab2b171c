"""What routes ask for by type: the key of a request, and how its answer is sent."""

from typing import Annotated

from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse

from bookstore_api.auth.dependencies import Caller
from bookstore_api.shop.idempotency.service import Answer, RequestKey, make_key

MAX_KEY_LENGTH = 255
REPEATED = "Idempotency-Replayed"


async def _request_key(
    request: Request,
    caller: Caller,
    idempotency_key: Annotated[
        str,
        Header(
            min_length=1,
            max_length=MAX_KEY_LENGTH,
            pattern=r"^[!-~]+$",
            description="A new UUID for each request; the same to send one again, for 24 hours",
            examples=["5f0c3d5e-6a1b-4c39-9f7e-0d9a4f6f2c11"],
        ),
    ],
) -> RequestKey:
    asked = await request.body()
    # The path, not its template: what is asked of one order is not asked of another.
    return make_key(caller, f"{request.method} {request.url.path}", idempotency_key, asked)


Idempotent = Annotated[RequestKey, Depends(_request_key)]


def respond(answer: Answer) -> Response:
    """Send an answer; one that was stored says so."""
    repeated = {REPEATED: "true"} if answer.repeated else {}
    return JSONResponse(answer.body, answer.status, {**answer.headers, **repeated})
