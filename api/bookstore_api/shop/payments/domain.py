"""Payments as the rest of the API knows them."""

from fastapi import APIRouter

from bookstore_api.shop.domain import Domain
from bookstore_api.shop.payments.models import Payment, PaymentEvent
from bookstore_api.shop.payments.self_test import self_test
from bookstore_api.shop.payments.service import purge_events

PAYMENTS = Domain(
    "payments", (Payment, PaymentEvent), APIRouter(), self_test, maintain=purge_events
)
