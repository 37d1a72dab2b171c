"""What clients send and get of the inventory."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from bookstore_api.kit.schemas import Strict
from bookstore_api.shop.inventory.models import Stock, StockMove

MAX_MOVE = 1_000_000


class MoveCreate(Strict):
    """Copies that came, or a correction after counting."""

    kind: Literal["received", "corrected"]
    quantity: Annotated[
        int,
        Field(
            strict=True,
            ge=-MAX_MOVE,
            le=MAX_MOVE,
            description="How many copies came; of a correction, below 0 where some are missing",
            examples=[12],
        ),
    ]

    @model_validator(mode="after")
    def _check_sign(self) -> Self:
        if self.quantity == 0 or (self.kind == "received" and self.quantity < 0):
            msg = "Copies that came are 1 or more, and a correction is not 0"
            raise ValueError(msg)
        return self


class StockRead(BaseModel):
    """The stock of a book: `available` is what is on hand and not reserved."""

    book_id: UUID
    on_hand: int
    reserved: int
    available: int


class MoveMade(BaseModel):
    """A move, and the stock after it."""

    id: UUID
    stock: StockRead


class MoveRead(BaseModel):
    """Copies that came or went."""

    id: UUID
    kind: str = Field(examples=["received", "corrected", "sold", "returned"])
    quantity: int = Field(description="Below 0 for copies that went")
    order_id: UUID | None
    at: datetime


class Availability(BaseModel):
    """Whether a book can be bought."""

    book_id: UUID
    available: int = Field(description="How many copies can be bought", examples=[3])


def to_stock(book_id: UUID, stock: Stock | None) -> StockRead:
    """Show the stock of a book; without a row there is none."""
    on_hand, reserved = (stock.on_hand, stock.reserved) if stock else (0, 0)
    return StockRead(
        book_id=book_id, on_hand=on_hand, reserved=reserved, available=on_hand - reserved
    )


def to_move(move: StockMove) -> MoveRead:
    """Show a move."""
    return MoveRead(
        id=move.id, kind=move.kind, quantity=move.quantity, order_id=move.order_id, at=move.at
    )
