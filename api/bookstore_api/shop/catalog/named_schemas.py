"""What clients send and get of authors, publishers and categories."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, StringConstraints

from bookstore_api.kit.parameters import Id
from bookstore_api.kit.schemas import MergePatch, Strict
from bookstore_api.kit.text import one_line
from bookstore_api.shop.catalog.models import NAME_LENGTH, Category, Named

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH),
    AfterValidator(one_line),
]


class PublisherCreate(Strict):
    """A new publisher."""

    name: Name


class NamedUpdate(MergePatch):
    """What changes of an author or a publisher."""

    name: Name = ""


class CategoryCreate(Strict):
    """A new category, below another one or none."""

    name: Name
    parent_id: Id | None = None


class CategoryUpdate(NamedUpdate):
    """What changes of a category; `parent_id` moves it, with all below it."""

    parent_id: Id | None = None


class NamedRead(BaseModel):
    """An author or a publisher."""

    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime


class CategoryRead(NamedRead):
    """A category."""

    parent_id: UUID | None


def show_named(row: Named) -> NamedRead:
    """Turn an author or a publisher into what clients see."""
    return NamedRead(id=row.id, name=row.name, created_at=row.created_at, updated_at=row.updated_at)


def show_category(row: Category) -> CategoryRead:
    """Turn a category into what clients see."""
    return CategoryRead(**show_named(row).model_dump(), parent_id=row.parent_id)
