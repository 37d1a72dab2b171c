"""What the payment provider tells, over HTTP: signed events."""

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal
from uuid import UUID

import structlog
from fastapi import Request, Response
from pydantic import BaseModel, Field, ValidationError

from bookstore_api.auth.routes import PublicRoute
from bookstore_api.kit.json_body import parse_json
from bookstore_api.kit.money import Money
from bookstore_api.kit.problems import (
    JSON,
    InvalidRequestError,
    ProblemError,
    describe,
    unsupported_type,
)
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Writing
from bookstore_api.settings import Settings, SettingsError
from bookstore_api.settings.webhook_secrets import parse_webhook_secrets
from bookstore_api.shop.orders import paying
from bookstore_api.shop.payments.provider import Kind, PaymentsUnavailableError
from bookstore_api.shop.payments.webhooks import ForgedEventError, verify

log = structlog.stdlib.get_logger(__name__)

router = Router(
    prefix="/api/v1/payment-events",
    tags=["payments"],
    route_class=PublicRoute,
    responses=describe(401, 422, 429, 503),
)


class RejectedEventError(ProblemError):
    """The event is not signed by the provider, or not of now."""

    status = HTTPStatus.UNAUTHORIZED


class PaymentData(BaseModel):
    """Which payment, and how much money it is about."""

    payment_id: UUID
    amount: Money


class PaymentEvent(BaseModel):
    """An event of the provider. Members that are not known here are ignored."""

    type: Literal["payment.succeeded", "payment.failed", "payment.refunded"] = Field(
        examples=["payment.succeeded"]
    )
    data: PaymentData


_BODY = {
    "requestBody": {
        "required": True,
        "content": {JSON: {"schema": PaymentEvent.model_json_schema()}},
    }
}


@router.post("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def receive_payment_event(write: Writing, request: Request) -> None:
    """Take an event of the payment provider, signed as Standard Webhooks says.

    What came before, or does not fit what is stored, is answered 204 as well: it is not sent again.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise unsupported_type("POST")
    body = await request.body()
    secrets = await _secrets(request.state.settings)
    try:
        event_id = verify(secrets, request.headers, body, datetime.now(UTC))
    except ForgedEventError as error:
        log.warning("payment event", outcome=str(error))
        msg = "The event is not signed with a secret that is known here, or its time is not now."
        challenge = {"WWW-Authenticate": 'Webhook realm="bookstore"'}
        raise RejectedEventError(msg, headers=challenge) from None
    event = _parse(body)
    if event is not None:
        await write(lambda session: paying.receive(session, event_id, event))


async def _secrets(settings: Settings) -> tuple[bytes, ...]:
    """Read the secrets as they are now; raises PaymentsUnavailableError without any."""
    try:
        # In a thread: a volume that hangs must not stop the requests of everybody else.
        text = await asyncio.to_thread(settings.secret_now, "payment_secrets")
        if text is not None:
            return parse_webhook_secrets(text)
    except (SettingsError, ValueError):
        log.warning("the payment provider's secrets can't be used")
    msg = "Events can't be checked at the moment: the provider's secrets are not mounted."
    raise PaymentsUnavailableError(msg, headers={"Retry-After": "60"})


def _parse(body: bytes) -> paying.Event | None:
    """Read an event; None of a kind that is not known here. Raises InvalidRequestError."""
    document = parse_json(body)
    kinds = {f"payment.{kind}": kind for kind in Kind}
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        raise InvalidRequestError("body/type", "No type of an event", "missing")
    if document["type"] not in kinds:
        return None
    try:
        event = PaymentEvent.model_validate(document)
    except ValidationError:
        message = "Not a payment's id and an amount"
        raise InvalidRequestError("body/data", message, "invalid") from None
    money = event.data.amount
    return paying.Event(event.data.payment_id, kinds[event.type], money.minor, money.currency)
