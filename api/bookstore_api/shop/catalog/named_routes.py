"""Authors, publishers and categories over HTTP."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Response

from bookstore_api.auth.routes import StaffRoute
from bookstore_api.kit.cursors import Signing
from bookstore_api.kit.etags import MustMatch, etag_of
from bookstore_api.kit.pagination import After, Limit, Page
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.problems import describe
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.shop.catalog import named_service as service
from bookstore_api.shop.catalog.models import NAME_LENGTH, Author, Category, Named, Publisher
from bookstore_api.shop.catalog.named_schemas import (
    CategoryCreate,
    CategoryRead,
    CategoryUpdate,
    NamedRead,
    NamedUpdate,
    PublisherCreate,
    show_category,
    show_named,
)

_Name = Annotated[
    str | None, Query(max_length=NAME_LENGTH, description="Only the one with this name")
]


def _router(name: str) -> Router:
    return Router(
        prefix=f"/api/v1/{name}",
        tags=[name],
        route_class=StaffRoute,
        responses=describe(422, 429, 503),
    )


authors, publishers, categories = map(_router, ("authors", "publishers", "categories"))


def _tagged(response: Response, row: Named, location: Router | None = None) -> None:
    response.headers["ETag"] = etag_of(row.version)
    if location is not None:
        response.headers["Location"] = f"{location.prefix}/{row.id}"


@authors.get("", responses=describe(412))
async def list_authors(
    read: Reading, cursors: Signing, limit: Limit = 20, after: After = None, name: _Name = None
) -> Page[NamedRead]:
    """List the authors that have a book, by name."""
    return await read(
        lambda session: service.list_named(
            session, Author, cursors, show=show_named, after=after, limit=limit, name=name
        )
    )


@authors.get("/{author_id}", responses=describe(404, 412))
async def read_author(read: Reading, author_id: Id, response: Response) -> NamedRead:
    """Read an author."""
    row = await read(lambda session: service.read_named(session, Author, author_id))
    _tagged(response, row)
    return show_named(row)


@authors.patch("/{author_id}", responses=describe(404, 409, 412, 428))
async def update_author(
    write: Writing, author_id: Id, body: NamedUpdate, precondition: MustMatch, response: Response
) -> NamedRead:
    """Rename an author, in all of their books."""
    row = await write(
        lambda session: service.update_named(session, Author, author_id, body, precondition)
    )
    _tagged(response, row)
    return show_named(row)


@publishers.get("", responses=describe(412))
async def list_publishers(
    read: Reading, cursors: Signing, limit: Limit = 20, after: After = None, name: _Name = None
) -> Page[NamedRead]:
    """List publishers by name."""
    return await read(
        lambda session: service.list_named(
            session, Publisher, cursors, show=show_named, after=after, limit=limit, name=name
        )
    )


@publishers.post("", status_code=HTTPStatus.CREATED, responses=describe(409))
async def create_publisher(write: Writing, body: PublisherCreate, response: Response) -> NamedRead:
    """Add a publisher."""
    row = await write(lambda session: service.create_named(session, Publisher, body.name))
    _tagged(response, row, publishers)
    return show_named(row)


@publishers.get("/{publisher_id}", responses=describe(404, 412))
async def read_publisher(read: Reading, publisher_id: Id, response: Response) -> NamedRead:
    """Read a publisher."""
    row = await read(lambda session: service.read_named(session, Publisher, publisher_id))
    _tagged(response, row)
    return show_named(row)


@publishers.patch("/{publisher_id}", responses=describe(404, 409, 412, 428))
async def update_publisher(
    write: Writing, publisher_id: Id, body: NamedUpdate, precondition: MustMatch, response: Response
) -> NamedRead:
    """Rename a publisher."""
    row = await write(
        lambda session: service.update_named(session, Publisher, publisher_id, body, precondition)
    )
    _tagged(response, row)
    return show_named(row)


@publishers.delete(
    "/{publisher_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=describe(404, 409, 412, 428),
)
async def delete_publisher(write: Writing, publisher_id: Id, precondition: MustMatch) -> None:
    """Delete a publisher that has no books."""
    await write(
        lambda session: service.delete_named(session, Publisher, publisher_id, precondition)
    )


@categories.get("", responses=describe(412))
async def list_categories(  # noqa: PLR0913, PLR0917 - a parameter each
    read: Reading,
    cursors: Signing,
    limit: Limit = 20,
    after: After = None,
    name: _Name = None,
    parent: Annotated[Id | None, Query(description="Only those right below this one")] = None,
) -> Page[CategoryRead]:
    """List categories by name."""
    return await read(
        lambda session: service.list_named(
            session,
            Category,
            cursors,
            show=show_category,
            after=after,
            limit=limit,
            name=name,
            parent=parent,
        )
    )


@categories.post("", status_code=HTTPStatus.CREATED, responses=describe(409))
async def create_category(write: Writing, body: CategoryCreate, response: Response) -> CategoryRead:
    """Add a category, below another one or none."""
    row = await write(
        lambda session: service.create_named(session, Category, body.name, parent=body.parent_id)
    )
    _tagged(response, row, categories)
    return show_category(row)


@categories.get("/{category_id}", responses=describe(404, 412))
async def read_category(read: Reading, category_id: Id, response: Response) -> CategoryRead:
    """Read a category."""
    row = await read(lambda session: service.read_named(session, Category, category_id))
    _tagged(response, row)
    return show_category(row)


@categories.patch("/{category_id}", responses=describe(404, 409, 412, 428))
async def update_category(
    write: Writing,
    category_id: Id,
    body: CategoryUpdate,
    precondition: MustMatch,
    response: Response,
) -> CategoryRead:
    """Rename a category, or move it with all below it."""
    row = await write(
        lambda session: service.update_named(session, Category, category_id, body, precondition)
    )
    _tagged(response, row)
    return show_category(row)


@categories.delete(
    "/{category_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=describe(404, 409, 412, 428),
)
async def delete_category(write: Writing, category_id: Id, precondition: MustMatch) -> None:
    """Delete a category that has no books, and none below it."""
    await write(lambda session: service.delete_named(session, Category, category_id, precondition))
