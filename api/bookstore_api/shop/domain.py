"""What the rest of the API may know of a domain of the shop."""

from dataclasses import dataclass

from fastapi import APIRouter

from bookstore_api.db.orm import Base
from bookstore_api.db.schema.check import SelfTest


@dataclass(frozen=True)
class Domain:
    """A domain: its tables, its routes, and the proof that its SQL works on the schema as it is."""

    name: str
    tables: tuple[type[Base], ...]
    router: APIRouter
    self_test: SelfTest
