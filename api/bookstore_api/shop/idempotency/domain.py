"""Stored answers as the rest of the API knows them."""

from uuid import UUID

from fastapi import APIRouter

from bookstore_api.db.sessions import WriteSession
from bookstore_api.shop.domain import Domain
from bookstore_api.shop.idempotency import repository
from bookstore_api.shop.idempotency.models import IdempotencyKey
from bookstore_api.shop.idempotency.self_test import self_test
from bookstore_api.shop.idempotency.service import scope_of


async def erase(session: WriteSession, account_id: UUID) -> None:
    """Delete the answers that an account got: they repeat what is erased elsewhere."""
    await repository.delete_of(session, scope_of(account_id))


IDEMPOTENCY = Domain(
    "idempotency",
    (IdempotencyKey,),
    APIRouter(),
    self_test,
    maintain=repository.purge,
    erase=erase,
)
