"""Ask a deployed bookstore what its users ask, at the URL at which they do."""

import http.client
import json
import time
import urllib.error
import urllib.request

REQUESTS = 20
PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 10
ATTEMPTS = 3
PATH = "/api/v1/books?limit=1"


def smoke_test(url: str, requests: int = REQUESTS, pause: float = PAUSE_SECONDS) -> str:
    """Return what is wrong with the first bad answer; empty if each of the answers is good.

    A connection that fails is tried again, since what lies between may be at fault; an answer that
    is wrong is wrong.
    """
    target = f"{url.rstrip('/')}{PATH}"
    for number in range(requests):
        if number:
            time.sleep(pause)
        if problem := _problem_of(target, pause):
            return f"request {number + 1} of {requests}: {problem}"
    return ""


def _problem_of(target: str, pause: float) -> str:
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause)
        try:
            with urllib.request.urlopen(target, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                return _problem_of_body(target, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return f"GET {target} was answered with {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            problem = f"GET {target} was not answered: {error}"
    return problem


def _problem_of_body(target: str, body: bytes) -> str:
    try:
        books = json.loads(body)["items"]
    except (ValueError, KeyError, TypeError):
        return f"GET {target} was answered with no list of books"
    return "" if isinstance(books, list) else f"GET {target} was answered with no list of books"
