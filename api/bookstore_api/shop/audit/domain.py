"""The audit log as the rest of the API knows it."""

from fastapi import APIRouter

from bookstore_api.shop.audit.models import AuditEntry
from bookstore_api.shop.audit.self_test import self_test
from bookstore_api.shop.domain import Domain

AUDIT = Domain("audit", (AuditEntry,), APIRouter(), self_test)
