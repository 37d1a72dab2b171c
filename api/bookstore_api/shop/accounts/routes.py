"""All routes of accounts, those with a fixed path before those with an id in its place."""

from fastapi import APIRouter

from bookstore_api.shop.accounts import account_routes, admin_routes, session_routes

router = APIRouter()
for part in (
    session_routes.public,
    session_routes.refreshing,
    session_routes.own,
    account_routes.public,
    account_routes.resets,
    account_routes.own,
    admin_routes.router,
):
    router.routes.extend(part.routes)
