"""The notes of a version, from CHANGELOG.md."""

import re


def release_notes(changelog: str, version: str) -> str:
    """Return what CHANGELOG.md says of a version. Raises ValueError if it says nothing."""
    section = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$(.*?)(?=^## |\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    if section is None or not section[1].strip():
        raise ValueError(
            f"CHANGELOG.md has no section for {version}: move what is under [Unreleased] to "
            f"`## [{version}] - YYYY-MM-DD`."
        )
    return section[1].strip() + "\n"


def version_of_tag(tag: str, versions: dict[str, str]) -> str:
    """Return the version of a tag such as v1.2.3. Raises ValueError unless all parts have it."""
    if not re.fullmatch(r"v\d+\.\d+\.\d+", tag):
        raise ValueError(f"The tag {tag!r} is no version such as v1.2.3.")
    version = tag.removeprefix("v")
    if others := {part: other for part, other in versions.items() if other != version}:
        named = ", ".join(f"{part} {other}" for part, other in others.items())
        raise ValueError(f"The tag is {tag}, but the code has other versions: {named}.")
    return version
