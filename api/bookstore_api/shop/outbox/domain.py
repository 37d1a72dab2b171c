"""The outbox as the rest of the API knows it."""

from fastapi import APIRouter

from bookstore_api.shop.domain import Domain
from bookstore_api.shop.outbox.models import OutboxMessage
from bookstore_api.shop.outbox.self_test import self_test

OUTBOX = Domain("outbox", (OutboxMessage,), APIRouter(), self_test)
