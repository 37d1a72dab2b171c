"""What the image tells its operator of itself, without a database."""

from pathlib import Path

import httpx
import pytest

from bookstore_api.db.schema.tree import Branch, load_tree
from bookstore_api.settings import Settings
from tests.support.bookstore import app_of, environment, run_command, served


def test_an_image_describes_itself_without_a_database(tmp_path: Path) -> None:
    env = environment(None, tmp_path, environment="production", database_pool_size="7")
    ended = run_command("contract", env=env, cwd=tmp_path)
    assert (ended.code, ended.outcome["code"]) == (0, "described")
    assert ended.outcome["contract"] == 1
    assert ended.outcome["connectionsPerPod"] == 8
    heads = {branch.value: sorted(load_tree().heads(branch)) for branch in Branch}
    assert ended.outcome["heads"] == heads


@pytest.mark.parametrize(
    ("revision", "header"), [("12", "12"), ("a\r\nx: b ü", "a%0D%0Ax%3A%20b%20%C3%BC")]
)
def test_every_answer_names_the_revision(
    sqlite_settings: Settings, revision: str, header: str
) -> None:
    settings = sqlite_settings.model_copy(update={"revision": revision})
    with served(app_of(settings)) as client:
        answers: list[httpx.Response] = [
            client.get("/api/v1/books"),
            client.get("/nothing"),
            client.post("/api/v1/books", content=b"x"),
        ]
    assert [answer.headers.get_list("Bookstore-Revision") for answer in answers] == [[header]] * 3


def test_without_a_revision_no_answer_names_one(sqlite_settings: Settings) -> None:
    with served(app_of(sqlite_settings)) as client:
        assert "Bookstore-Revision" not in client.get("/api/v1/books").headers
