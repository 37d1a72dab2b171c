"""Which image of the backup tool is for which version of PostgreSQL."""

import pytest

from bookstore_operator.core.postgres_versions import backup_images, major_of

pytestmark = pytest.mark.golden


@pytest.mark.parametrize(
    ("image", "major"),
    [
        ("postgres:18", 18),
        ("registry.example:5000/team/postgres:17.2-bookworm@sha256:0", 17),
        ("pgvector/pgvector:pg16", 16),
        ("postgres:latest", None),
        ("registry.example:5000/postgres", None),
        ("postgres@sha256:18", None),
        ("postgres:20250101", None),
    ],
)
def test_a_major_version_is_read_from_a_tag(image: str, major: int | None) -> None:
    assert major_of(image) == major


def test_images_are_given_by_major_version_or_for_the_embedded_databases() -> None:
    assert backup_images(["17=b:17", "b:x"], "postgres:18.1") == {17: "b:17", 18: "b:x"}
    assert backup_images(["b:x"], "postgres:latest") == {0: "b:x"}
    assert backup_images(["18=b:1", "18=b:2"], "postgres:18") == {18: "b:2"}


@pytest.mark.parametrize("option", ["18=", "18=two words", " "])
def test_what_is_no_image_is_rejected(option: str) -> None:
    with pytest.raises(ValueError, match="is no image"):
        backup_images([option], "postgres:18")
