"""Adds headers to an answer on its way out, copying its list once for all layers."""

from starlette.types import Message

Header = tuple[bytes, bytes]


class _Copied(list[Header]):
    """Headers that a layer has copied, and that further layers may append to."""


def add_headers(start: Message, *headers: Header) -> None:
    """Append headers to an `http.response.start`.

    The list that the app sent stays as it is: a response may be sent more than once.
    """
    if not isinstance(start["headers"], _Copied):
        start["headers"] = _Copied(start["headers"])
    start["headers"] += headers
