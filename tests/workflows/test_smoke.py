"""The smoke test of a deployment, against a real server that answers badly in many ways."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from delivery.smoke import smoke_test

pytestmark = pytest.mark.golden

GOOD = (200, b'{"items": [], "next": null}')


@contextmanager
def answering(*answers: tuple[int, bytes] | None) -> Iterator[tuple[str, list[str]]]:
    """Serve these answers (None hangs up), then good ones. Yield the URL and the paths asked."""
    left, paths = list(answers), list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            answer = left.pop(0) if left else GOOD
            if answer is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(answer[0])
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", paths
        server.shutdown()
        thread.join()


def test_good_answers_are_counted() -> None:
    with answering() as (url, paths):
        assert smoke_test(url, requests=5, pause=0) == ""
    assert paths == ["/api/v1/books?limit=1"] * 5


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((503, b""), "was answered with 503"),
        ((404, b"{}"), "was answered with 404"),
        ((200, b"<html>"), "no list of books"),
        ((200, b"{}"), "no list of books"),
        ((200, b"[]"), "no list of books"),
        ((200, b'{"items": null}'), "no list of books"),
    ],
)
def test_one_bad_answer_fails_it(answer: tuple[int, bytes], problem: str) -> None:
    with answering(GOOD, answer) as (url, paths):
        found = smoke_test(url, requests=5, pause=0)
    assert found.startswith("request 2 of 5: GET http://127.0.0.1:")
    assert problem in found
    assert len(paths) == 2


def test_a_lost_connection_is_tried_again_but_not_for_ever() -> None:
    with answering(None, None) as (url, _):
        assert smoke_test(url, requests=2, pause=0) == ""
    with answering(None, None, None) as (url, _):
        assert "was not answered" in smoke_test(url, requests=2, pause=0)
    assert "was not answered" in smoke_test(url, requests=1, pause=0)
