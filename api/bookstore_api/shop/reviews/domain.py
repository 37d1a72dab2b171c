"""Reviews as the rest of the API knows them."""

from bookstore_api.shop.domain import Domain
from bookstore_api.shop.reviews.models import BookRating, Review
from bookstore_api.shop.reviews.routes import router
from bookstore_api.shop.reviews.self_test import self_test
from bookstore_api.shop.reviews.service import erase, export

REVIEWS = Domain("reviews", (Review, BookRating), router, self_test, export=export, erase=erase)
