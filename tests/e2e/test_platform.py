"""The API's platform on a real cluster, through a release: logs, metrics, health, rate limits."""

import base64
import json
import uuid
from functools import partial
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple

import httpx
import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from demo.__main__ import plugin
from demo.kubectl import Kubectl
from demo.traffic import traffic, wait_until_answering
from tests.e2e.conftest import Installed
from tests.e2e.test_bookstore import BOOK, STORE, bookstore, release, serving_images, staff
from tests.support.kube import condition, holds, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

API = f"bookstore.dev/store={STORE},app.kubernetes.io/component=api"
CACHE = f"bookstore.dev/store={STORE},app.kubernetes.io/component=cache"
LIMIT = 20
EXEC_POLL_SECONDS = 0.5  # a question inside of a Pod costs two processes
FETCH = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=5)
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.write(answer.read().decode())
"""


class Write(NamedTuple):
    """The answer to a write: its status, how many are left, seconds until the count resets."""

    status: int
    remaining: int
    reset: int


@pytest.fixture
def books(url: str) -> str:
    """Return the URL of the books."""
    return f"{url}/api/v1/books"


def pods(kubectl: Kubectl, color: str) -> list[dict[str, Any]]:
    """Return the API's Pods of a color that are not terminating."""
    listed = kubectl.list("pod", f"{API},bookstore.dev/color={color}")
    return [pod for pod in listed if not pod["metadata"].get("deletionTimestamp")]


def ask(kubectl: Kubectl, pod: dict[str, Any], path: str) -> str:
    """Ask the internal port of a Pod, from within: no Service leads there."""
    name, internal = pod["metadata"]["name"], pod["metadata"]["annotations"]["prometheus.io/port"]
    url = f"http://127.0.0.1:{internal}{path}"
    return kubectl("exec", name, "-c", "api", "--", "python3", "-c", FETCH, url)


def health(kubectl: Kubectl, pod: dict[str, Any]) -> dict[str, str]:
    """Return the state of each dependency, by a Pod's /health."""
    report = json.loads(ask(kubectl, pod, "/health"))
    return {name: state["state"] for name, state in report["dependencies"].items()}


def is_healthy(kubectl: Kubectl, pod: dict[str, Any]) -> bool:
    """Whether all dependencies of a Pod are ok."""
    return set(health(kubectl, pod).values()) == {"ok"}


def scrape(kubectl: Kubectl, pod: dict[str, Any]) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return a Pod's metrics, where its annotations say, by name and label values."""
    annotations = pod["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    text = ask(kubectl, pod, annotations["prometheus.io/path"])
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape_with_cache(
    kubectl: Kubectl, pod: dict[str, Any]
) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return a Pod's metrics once they say that the cache answers.

    A slow answer on a busy machine is reported, too, and passes.
    """

    def page() -> dict[tuple[str, tuple[str, ...]], float] | None:
        metrics = scrape(kubectl, pod)
        return metrics if total(metrics, "bookstore_redis_up") == 1 else None

    return wait_for(page, 30, "the cache to be up", poll=EXEC_POLL_SECONDS)


def total(metrics: dict[tuple[str, tuple[str, ...]], float], name: str, *labels: str) -> float:
    """Return the sum of a metric's series that have these label values."""
    return sum(
        value
        for (series, values), value in metrics.items()
        if series == name and set(labels) <= set(values)
    )


def posts(scraped: list[dict[tuple[str, tuple[str, ...]], float]]) -> float:
    """Return the number of POSTs that Pods have answered."""
    return sum(total(page, "bookstore_http_requests_total", "POST") for page in scraped)


def write(url: str, headers: dict[str, str]) -> Write:
    """Try to put a book on the shelf, on a connection of its own."""
    answer = httpx.post(url, json=BOOK, headers=headers, timeout=10)
    assert answer.headers["RateLimit-Policy"] == f'"writes";q={LIMIT};w=3600'
    name, *parameters = answer.headers["RateLimit"].split(";")
    assert name == '"writes"'
    values = dict(parameter.split("=") for parameter in parameters)
    if answer.status_code == 429:
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Content-Type"] == "application/problem+json"
    return Write(answer.status_code, int(values["r"]), int(values["t"]))


def write_until_limited(url: str, headers: dict[str, str]) -> list[Write]:
    """Write until the limit; an hour may end meanwhile, which resets the count."""
    writes: list[Write] = []
    while not writes or writes[-1].status != 429:
        assert len(writes) <= 2 * LIMIT, writes
        writes.append(write(url, headers))
    return writes


def log_lines(kubectl: Kubectl, color: str) -> list[dict[str, Any]]:
    """Return all log lines of the API's Pods of a color."""
    names = [pod["metadata"]["name"] for pod in pods(kubectl, color)]
    text = "".join(kubectl("logs", name, "-c", "api", "--tail=-1") for name in names)
    return [json.loads(line) for line in text.splitlines()]


def counted_alone(kubectl: Kubectl, pods: list[dict[str, Any]]) -> float:
    """Return how many writes Pods counted separately, because the cache answered too late."""
    metric = "bookstore_rate_limit_fallbacks_total"
    return sum(total(scrape(kubectl, pod), metric) for pod in pods)


def forget_writes(kubectl: Kubectl) -> None:
    """Empty the cache."""
    (cache,) = kubectl.list("pod", CACHE)
    flush = 'REDISCLI_AUTH="$(cat /run/secrets/valkey/password)" exec valkey-cli -e flushall'
    kubectl("exec", cache["metadata"]["name"], "--", "sh", "-c", flush)


def requested(kubectl: Kubectl, color: str) -> list[dict[str, Any]]:
    """Return the log lines about requests for books of the API's Pods of a color."""
    lines = log_lines(kubectl, color)
    return [line for line in lines if line.get("route") == "/api/v1/books"]


def assert_lines_are_of_the_schema(lines: list[dict[str, Any]]) -> None:
    schema = json.loads(
        files("bookstore_api.telemetry.logging").joinpath("log_schema.json").read_text("utf-8")
    )
    validator = Draft202012Validator(schema)
    wrong = [(line, error.message) for line in lines for error in validator.iter_errors(line)]
    assert not wrong, wrong[:3]


@pytest.mark.invariant
def test_the_platform_holds_through_a_release(
    installed: Installed, kubectl: Kubectl, books: str
) -> None:
    """Logs, metrics, health and limits of blue; a release under traffic; the same of green."""
    spec = {
        "config": {"rateLimits": {"writes": f"{LIMIT}/hour"}},
        # The time to read the old color's logs.
        "rollout": {"scaleDownDelaySeconds": 60, "watch": {"seconds": 10}},
    }
    release(kubectl, bookstore(installed.first_image, **spec))
    wait_until_answering(books)
    wait_for(
        lambda: holds(kubectl.find("bookstore", STORE), "CacheHealthy"),
        60,
        "the cache to be ready",
    )
    wait_for(
        lambda: all(health(kubectl, pod).get("redis") == "ok" for pod in pods(kubectl, "blue")),
        30,
        "each Pod to reach the cache",
        poll=EXEC_POLL_SECONDS,
    )

    clerk = staff(kubectl)
    blue = pods(kubectl, "blue")
    assert len(blue) == 2
    earlier = posts([scrape_with_cache(kubectl, pod) for pod in blue])  # of the smoke test
    alone, tried = 0.0, write_until_limited(books, clerk)
    writes = tried
    # On a busy machine the cache may answer too late for a write; another round has to do then.
    while (now := counted_alone(kubectl, blue)) > alone:
        assert len(tried) < 10 * LIMIT, f"the cache answers too seldom: {tried}"
        alone = now
        forget_writes(kubectl)
        writes = write_until_limited(books, clerk)
        tried = [*tried, *writes]
    for before, after in pairwise(writes[:-1]):
        has_reset = after.reset > before.reset
        assert has_reset or after.remaining == before.remaining - 1, "counted in all Pods together"
    assert tried[0].status == 201
    assert {answer.status for answer in tried[1:]} == {409, 429}
    assert writes[-2].remaining == 0

    scraped = [scrape_with_cache(kubectl, pod) for pod in blue]
    for metrics in scraped:
        assert total(metrics, "bookstore_http_requests_total", "POST") > 0, "both Pods took part"
    posted = posts(scraped) - earlier
    limited = sum(
        total(page, "bookstore_rate_limit_rejections_total", "writes") for page in scraped
    )
    assert posted == len(tried)
    assert limited == len([answer for answer in tried if answer.status == 429])

    with traffic(books) as requests:
        release(kubectl, bookstore(installed.second_image, **spec))
        # Nodes take a Service's new addresses over about once a second.
        wait_for(lambda: requested(kubectl, "green"), 30, "green to serve", poll=EXEC_POLL_SECONDS)
    blue_lines = log_lines(kubectl, "blue")
    assert requests.sent > 0
    assert requests.failed == 0, requests.answers
    assert serving_images(kubectl) == {installed.second_image}

    again = write(books, clerk)
    assert again.status == 429 or again.reset > writes[-1].reset, "counted for both colors"
    for pod in pods(kubectl, "green"):
        # A slow answer on a busy machine is reported, too, and passes.
        wait_for(
            partial(is_healthy, kubectl, pod),
            30,
            "all dependencies to be ok",
            poll=EXEC_POLL_SECONDS,
        )
        scrape_with_cache(kubectl, pod)
    green_lines = log_lines(kubectl, "green")
    assert_lines_are_of_the_schema([*blue_lines, *green_lines])
    for color, lines in (("blue", blue_lines), ("green", green_lines)):
        served = [line for line in lines if line.get("route") == "/api/v1/books"]
        assert served, f"no request in the log of {color}"
        assert {line["color"] for line in served} == {color}

    token = kubectl.secret(f"{STORE}-staff")["token"]
    password = kubectl.secret(f"{STORE}-cache")["password"]
    logged = json.dumps([*blue_lines, *green_lines])
    assert token not in logged
    assert password not in logged


@pytest.mark.invariant
def test_a_lost_cache_fails_no_request_and_comes_back(
    installed: Installed, kubectl: Kubectl, books: str
) -> None:
    """Its Pod is deleted under traffic, then its password is regenerated."""
    release(kubectl, bookstore(installed.first_image))
    wait_until_answering(books)

    def healthy() -> bool:
        if not holds(kubectl.find("bookstore", STORE), "CacheHealthy"):
            return False
        reached = [health(kubectl, pod).get("redis") for pod in pods(kubectl, "blue")]
        return set(reached) == {"ok"}

    wait_for(healthy, 90, "the cache to be reached", poll=EXEC_POLL_SECONDS)
    before = kubectl.secret(f"{STORE}-cache")
    with traffic(books) as requests:
        kubectl("delete", "pod", "-l", CACHE, "--wait=true")
        wait_for(healthy, 120, "a new cache to be reached", poll=EXEC_POLL_SECONDS)
        # The server goes on with the old password until its probe has failed with the new one.
        kubectl("delete", "secret", f"{STORE}-cache")
        kubectl("annotate", "service", STORE, "looked-at=again")  # Secrets are not watched
        wait_for(lambda: kubectl.find("secret", f"{STORE}-cache"), 30, "a new Secret")
        assert kubectl.secret(f"{STORE}-cache")["password"] != before["password"]
        wait_for(
            lambda: restarted(kubectl) and healthy(),
            300,
            "the new password to be in use",
            poll=EXEC_POLL_SECONDS,
        )
    assert requests.failed == 0, requests.answers
    ready = condition(kubectl.find("bookstore", STORE), "Ready")
    assert ready["status"] == "True"


def restarted(kubectl: Kubectl) -> bool:
    """Whether the cache's server was started again in its Pod."""
    pods = kubectl.list("pod", CACHE)
    states = [state for pod in pods for state in pod["status"].get("containerStatuses", [])]
    return any(state["restartCount"] for state in states)


def rotated(kubectl: Kubectl) -> bool:
    """Whether another key signs, and the one before still verifies."""
    status = (kubectl.find("bookstore", STORE) or {}).get("status") or {}
    keys = (status.get("signingKeys") or {}).get("keys") or []
    return {key["state"] for key in keys} == {"Signing", "Retiring"}


def key_of(token: str) -> str:
    """Return the id of the key that has signed a token."""
    head = base64.urlsafe_b64decode(f"{token.partition('.')[0]}==")
    return str(json.loads(head)["kid"])


@pytest.mark.invariant
def test_no_valid_token_is_refused_while_the_keys_rotate(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    """A person registers and signs in again and again; each token works until the end."""
    release(kubectl, bookstore(installed.first_image))
    wait_until_answering(f"{url}/api/v1/books")
    accounts = f"{url}/api/v1/accounts"
    person = {"email": f"ada-{uuid.uuid4().hex}@example.com", "password": uuid.uuid4().hex}
    registered = httpx.post(accounts, json={**person, "display_name": "Ada"}, timeout=30)
    assert registered.status_code == 201, registered.text
    tokens: list[str] = []

    def sign_in_and_use_all_tokens() -> None:
        answer = httpx.post(f"{url}/api/v1/sessions", json=person, timeout=30)
        assert answer.status_code == 201, answer.text
        tokens.append(answer.json()["access_token"])
        for token in tokens:  # each on a connection of its own: Pods take turns
            headers = {"Authorization": f"Bearer {token}"}
            answer = httpx.get(f"{accounts}/me", headers=headers, timeout=30)
            assert answer.status_code == 200, (tokens.index(token), answer.text)

    def has_tokens_of_both_keys() -> bool:
        sign_in_and_use_all_tokens()  # Pods load the key that signs some time after each other
        return len({key_of(token) for token in tokens}) == 2

    sign_in_and_use_all_tokens()
    plugin(kubectl, "rotate-keys", STORE)
    wait_for(has_tokens_of_both_keys, 300, "another key to sign", poll=5)
    assert rotated(kubectl)
    for _ in range(5):
        sign_in_and_use_all_tokens()
