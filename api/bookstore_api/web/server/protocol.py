"""One connection of a client: uvicorn's protocol, with the limits that uvicorn leaves out.

Bounded here are the bytes and the seconds of a request's head, of trailers and of whatever else
brings no request forward, the requests that wait on one connection, and how long an answer may stay
unread. Bodies are bounded further in, by a layer around the app.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, cast

import httptools
import structlog
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from bookstore_api.settings import Settings
from bookstore_api.telemetry.metrics import OPEN_CONNECTIONS, REJECTED_REQUESTS
from bookstore_api.telemetry.request_state import (
    Headers,
    RequestState,
    group_headers,
    put_state,
)
from bookstore_api.web.middleware.cors import headers_for
from bookstore_api.web.server.request_head import (
    MALFORMED,
    MAX_PIPELINED,
    TOO_MANY,
    TOO_SLOW,
    Head,
    Rejection,
    answer_to,
    check_head,
    decode_path,
    explain_line,
    read_target,
    too_large,
)

# So long a client that still sends may take to read why it should not have.
LINGER_SECONDS = 2.0
AGE_SPREAD = 0.25

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Limits:
    """What a connection is held to, in bytes and seconds."""

    head_bytes: int
    head_seconds: float
    body_seconds: float
    max_age_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Take them from the settings."""
        return cls(
            settings.max_header_bytes,
            settings.header_seconds,
            settings.body_seconds,
            settings.connection_max_age_seconds,
        )


class RejectedError(Exception):
    """Raised amid parsing to end it."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.reason)
        self.rejection = rejection


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits, rejections that are problems, and a maximum age."""

    def __init__(
        self,
        *args: Any,
        limits: Limits,
        origins: Collection[str] = (),
        counted: bool = False,
        **kwargs: Any,
    ) -> None:
        """Hold a connection to the limits; pages of the origins may read why a request is rejected.

        `counted`: it is one of those in the metrics. All else is uvicorn's.
        """
        super().__init__(*args, **kwargs)
        self.url, self.headers = b"", []  # uvicorn sets them when a request begins
        self.parser.set_dangerous_leniencies(lenient_version=True)  # looked at below, with the rest
        self._limits = limits
        self._origins = origins
        self._counted = counted
        self._expires = expiry(limits.max_age_seconds)
        self._socket: asyncio.Transport = None  # type: ignore[assignment]  # until there is one
        self._in_head = True  # or between two requests
        self._head_started = False  # a head that is not complete yet
        self._progress = False
        self._idle_bytes = 0  # that came since the last progress
        self._begin = b""  # of a request, at least its first line
        self._line_wrong = False  # the parser stopped in it, and the rest tells why
        self._body_left = 0  # of the body, where its length was said
        self._discarding = False
        self._client_done = False  # it sends no more, and may still read
        self._pending: Rejection | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._lingering_close: asyncio.TimerHandle | None = None
        self._send_check: asyncio.TimerHandle | None = None

    # What becomes of the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, but not for long."""
        self._socket = transport
        if self._counted:
            OPEN_CONNECTIONS.inc()
        wrapped = _Transport(transport, self._close)
        super().connection_made(cast("asyncio.Transport", wrapped))
        self._set_deadline(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        if self._counted:
            OPEN_CONNECTIONS.dec()
        for timer in (self._deadline, self._lingering_close, self._send_check):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End the connection; a request that has begun is answered before."""
        if not (self._answered and self._head_started):
            super().shutdown()

    def abort(self) -> None:
        """End the connection at once."""
        self._socket.abort()

    def _close(self) -> None:
        """Close the connection so that the client can read the last answer.

        A socket closed with bytes unread is reset, and a reset takes from the client what it has
        not read yet. So where more may come, only the way out is closed for now.
        """
        self._cancel_deadline()
        between_requests = self._in_head and not self._head_started and not self._discarding
        if between_requests or self._client_done:
            self._socket.close()
        else:
            self.flow.resume_reading()
            self._socket.write_eof()
            self._lingering_close = self.loop.call_later(LINGER_SECONDS, self._socket.close)
        self._expect_reading()

    # What arrives

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, in parts no larger than a head may be."""
        if self._discarding or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        try:
            self._feed_in_parts(data)
        except httptools.HttpParserUpgrade:
            # Answered without an upgrade; where the next request begins is not known.
            self._discarding = True
            self.cycle.keep_alive = False
        except RejectedError as error:
            self._reject(error.rejection)
        except httptools.HttpParserCallbackError as error:
            self._reject(_rejection_behind(error))
        except httptools.HttpParserError:
            self._explain_error()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's returns nothing
        """Answer the requests that came whole, though the client sends no more.

        TCP lets a client close its way out alone; a part of a request is left unanswered.
        """
        if self._answered or not (self._in_head or self.pipeline):
            return False  # the connection is closed
        if not self._in_head:
            self.pipeline.popleft()
        self._client_done = self._discarding = True
        self._cancel_deadline()
        return True

    def _feed_in_parts(self, data: bytes) -> None:
        """Parse data in parts that are no larger than a head, and in which no second one begins."""
        start = 0
        while start < len(data):
            if self._line_wrong:
                self._begin += data[start:]
                self._explain_error()
                return
            stop = start + self._limits.head_bytes
            if self._body_left:
                stop = min(stop, start + self._body_left)
            elif (end := data.find(b"\r\n\r\n", start, stop)) >= 0:
                stop = end + 4
            self._feed(data[start:stop])
            start = stop

    def _feed(self, part: bytes) -> None:
        self._progress = False
        self._keep_begin(part)
        self.parser.feed_data(part)
        self._idle_bytes = 0 if self._progress else self._idle_bytes + len(part)
        self._head_started = self._head_started or (self._in_head and self._idle_bytes > 0)
        if self._idle_bytes > self._limits.head_bytes:
            raise RejectedError(
                too_large(self.url, self.headers) if self._head_started else MALFORMED
            )
        if not self._head_started:
            if self._in_head or not self._answered:
                self._cancel_deadline()
        elif self._deadline is None:
            self._set_deadline(self._limits.head_seconds)

    def _keep_begin(self, part: bytes) -> None:
        """Keep the first line of a request: an error of the parser does not say what it met."""
        if not self._in_head:
            return
        if not self._head_started:
            self._begin = part
        elif b"\n" not in self._begin.lstrip(b"\r\n"):
            self._begin += part

    def _explain_error(self) -> None:
        """Reject what the parser stopped at, once its first line is there to tell why."""
        rejection = explain_line(self._begin) if self._in_head else MALFORMED
        if rejection is None and len(self._begin) > self._limits.head_bytes:
            rejection = MALFORMED
        if rejection is not None:
            self._reject(rejection)
            return
        self._line_wrong = self._head_started = True
        if self._deadline is None:
            self._set_deadline(self._limits.head_seconds)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_started = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; the parser leaves white space after its value (RFC 9110, 5.5)."""
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Hand the request to the app, or in line for it; raises RejectedError."""
        head = Head.read(self.parser, self.url, self.headers)
        if rejection := check_head(head, self._limits.head_bytes):
            raise RejectedError(rejection)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise RejectedError(TOO_MANY)
        headers = self._use_target(head)
        put_state(cast("Scope", self.scope), RequestState.of(headers, self._expires))
        if head.version == "1.0":
            self.expect_100_continue = False  # that client knows no answer before the answer
        super().on_headers_complete()
        if b"%" in self.url:
            self.scope["path"] = decode_path(self.scope["raw_path"].decode("ascii"))
        self._body_left = int(head.headers.get(b"content-length", (b"0",))[0])
        # What comes after is trailers, which are left out: the app has its headers.
        self.url, self.headers = b"", []
        self._in_head = self._head_started = False
        self._progress = True

    def _use_target(self, head: Head) -> Headers:
        """Hand a URL's path to the app, and its host in the place of the header (RFC 9112, 3.2)."""
        target = read_target(head.method, head.target)
        assert target is not None  # noqa: S101 - the head was checked
        self.url = target.path
        if target.host is None:
            return head.headers
        rest = [header for header in self.headers if header[0] != b"host"]
        self.headers[:] = [(b"host", target.host), *rest]
        return group_headers(self.headers)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._progress = True
        self._body_left = max(self._body_left - len(body), 0)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._progress = self._in_head = True
        super().on_message_complete()

    # What is rejected

    def _reject(self, rejection: Rejection) -> None:
        """Read no further, and say why where it is the rejected request's turn."""
        self._discarding = True
        self._cancel_deadline()
        if self._in_head:
            if self._answered:
                self._answer(rejection)
            else:
                self._pending = rejection
        elif self.cycle.response_complete:
            self.transport.close()
        elif self.pipeline:
            self.pipeline.popleft()
            self._pending = rejection
        elif self.cycle.response_started:
            self._socket.abort()  # the only way to say that the answer is not whole
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._answer(rejection)

    def _answer(self, rejection: Rejection) -> None:
        self._pending = None
        request_id, answer = answer_to(
            rejection, self._early_headers(), with_body=not self._is_head_request()
        )
        self.transport.write(b"".join([STATUS_LINE[rejection.status], *answer]))
        self.transport.close()
        REJECTED_REQUESTS.labels(rejection.reason).inc()
        log.info(
            "request rejected",
            reason=rejection.reason,
            status=rejection.status,
            request_id=request_id,
        )

    def _early_headers(self) -> list[tuple[bytes, bytes]]:
        """Return what uvicorn and the layers around the app would add to an answer."""
        headers = list(self.server_state.default_headers)
        if self._origins:
            read = self.headers if self._in_head else self.scope["headers"]
            origin = next((value for name, value in read if name == b"origin"), None)
            headers += headers_for(self._origins, origin)
        return headers

    def _is_head_request(self) -> bool:
        """Whether what is rejected is a HEAD, as far as it was read: its answer has no body."""
        if self._in_head:
            return bool(self.url) and self.parser.get_method() == b"HEAD"
        return self.scope["method"] == "HEAD"

    def on_response_complete(self) -> None:
        """Go on with what waits behind the answer."""
        last = not self.pipeline
        super().on_response_complete()
        if not last or self.transport.is_closing():
            return
        if self._pending is not None:
            self._answer(self._pending)
        elif self._client_done:
            self.transport.close()
        elif not self._in_head:
            self._set_deadline(self._limits.body_seconds)  # nobody wants the rest of its body

    # What takes too long

    @property
    def _answered(self) -> bool:
        """Whether nothing is being worked on."""
        return self.cycle is None or self.cycle.response_complete

    def _set_deadline(self, seconds: float) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(seconds, self._too_slow)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self._answered:
            self._set_deadline(self._limits.head_seconds)  # it is our turn, and we may not read
        elif self._head_started:
            self._reject(TOO_SLOW)
        else:
            self.transport.close()  # it never said a word, or has had its answer

    def pause_writing(self) -> None:
        """Wait for the client to read, but not without end."""
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        if self._send_check is not None:
            self._send_check.cancel()
            self._send_check = None

    def _expect_reading(self) -> None:
        """Cut the connection if the client reads nothing of what waits for it for a while."""
        if self._send_check is None and (unsent := self._socket.get_write_buffer_size()):
            self._send_check = self.loop.call_later(
                self._limits.body_seconds, self._check_reading, unsent
            )

    def _check_reading(self, unsent: int) -> None:
        self._send_check = None
        if self._socket.get_write_buffer_size() >= unsent:
            self._socket.abort()
        else:
            self._expect_reading()


class _Transport:
    """A transport whose closing is ours to do."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport = transport
        self._close = close
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, or nothing if the client has left: uvloop would raise until it says so."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            self._closing = True
            self._close()


def expiry(max_age_seconds: float) -> float:
    """Return when a new connection is too old: spread, for many are opened at one time."""
    spread = random.uniform(1 - AGE_SPREAD, 1 + AGE_SPREAD)  # noqa: S311 - no secret
    return time.monotonic() + max_age_seconds * spread


def _rejection_behind(error: httptools.HttpParserCallbackError) -> Rejection:
    """Return what a callback rejected; internal errors are raised, for the event loop to log."""
    cause = error.__context__
    if isinstance(cause, RejectedError):
        return cause.rejection
    if isinstance(cause, httptools.HttpParserError | UnicodeError):
        return MALFORMED
    raise error
