"""P7, security headers presence: real servers send the documented ones, and none that tells."""

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from bookstore_api.settings import Settings
from bookstore_api.web.docs_page import DOCS_CONTENT_POLICY, FOLDER
from bookstore_api.web.middleware.security_headers import SECURITY_HEADERS, security_headers
from tests.support.bookstore import Process, app_of, served

DOCS = Path(__file__).parents[4] / "docs" / "reference"
TELLING = {"server", "x-powered-by", "via"}


def assert_documented(answer: httpx.Response, **changed: str) -> None:
    expected = {name.lower(): value for name, value in SECURITY_HEADERS.items()}
    expected |= {name.replace("_", "-"): value for name, value in changed.items()}
    for name, value in expected.items():
        assert answer.headers.get_list(name) == [value], (name, answer)
    assert not TELLING & {name.lower() for name in answer.headers}


def test_the_servers_own_answers_get_the_same_ones() -> None:
    first, second = security_headers(), security_headers()
    assert {name.decode(): value.decode() for name, value in first} == {
        name.lower(): value for name, value in SECURITY_HEADERS.items()
    }
    first.clear()
    assert second == security_headers()


def test_both_ports_of_a_process_send_them(
    start: Callable[..., Process], sqlite_settings: Settings
) -> None:
    process = start(sqlite_settings.database_uri()).wait_until_ready()
    assert_documented(httpx.get(process.url + "/api/v1/books"))
    assert_documented(httpx.get(process.url + "/nothing"))
    assert_documented(httpx.put(process.url + "/api/v1/books"))
    for path in ("/livez", "/readyz", "/version", "/nothing"):
        assert_documented(process.internal(path))


def test_the_page_of_documents_runs_two_scripts_only(sqlite_settings: Settings) -> None:
    with served(app_of(sqlite_settings)) as client:
        page = client.get("/docs")
        assert page.status_code == 200
        assert_documented(page, content_security_policy=DOCS_CONTENT_POLICY)
        assert client.get("/openapi.json").status_code == 200
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    sources = re.search(r"script-src ([^;]*)", DOCS_CONTENT_POLICY)
    assert sources is not None
    assert sources[1].split() == [f"'sha256-{digest}'", f"{FOLDER}swagger-ui-bundle.js"]
    foreign = re.findall(r'(?:src|href)="(https:[^"]*)"\s+integrity="sha384-.{64}"', page.text)
    assert foreign == [f"{FOLDER}swagger-ui.css", f"{FOLDER}swagger-ui-bundle.js"]
    assert page.text.count("https://") == len(foreign)


def test_the_documents_can_be_turned_off(sqlite_settings: Settings) -> None:
    with served(app_of(sqlite_settings.model_copy(update={"docs": False}))) as client:
        for path in ("/docs", "/redoc", "/openapi.json"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert_documented(answer)


@pytest.mark.parametrize("name", SECURITY_HEADERS)
def test_each_is_in_the_reference(name: str) -> None:
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    assert f"| `{name}` | `{SECURITY_HEADERS[name]}` |" in text
