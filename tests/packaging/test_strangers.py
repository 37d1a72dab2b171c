"""What a stranger meets first: license, changelog, templates, and images that nobody else owns."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.versions import GO

pytestmark = pytest.mark.golden

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = ("api", "operator", "kubectl-bookstore", "backup", "devcluster")
REGISTRY = "registry.example.com"
SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def shown_files() -> list[Path]:
    """Return the files from which people copy names of images."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")]
    manifests = [*(ROOT / "manifests").rglob("*.yaml"), *(ROOT / "charts").rglob("*.yaml")]
    return [*documents, *manifests]


def test_images_of_this_project_have_one_placeholder() -> None:
    """A registry of somebody else would give a stranger's image to whoever copies the line."""
    named = re.compile(r"([\w.:-]+(?:/[\w.-]+)*)/bookstore-(?:api|operator|backup)[:@]")
    found = {
        (match[1], file.name)
        for file in shown_files()
        for match in named.finditer(file.read_text())
    }
    assert {registry for registry, _ in found} <= {REGISTRY, "localhost"}, found
    assert {registry for registry, _ in found} >= {REGISTRY}


def test_every_distribution_has_the_license() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    for name in DISTRIBUTIONS:
        assert 'license = "Apache-2.0"' in (ROOT / name / "pyproject.toml").read_text(), name


def test_the_changelog_has_the_form_that_it_names() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d", v) for v in versions[1:]]
    assert all(released), versions
    numbers = [tuple(map(int, match.groups())) for match in released if match]
    assert all(newer > older for newer, older in pairwise(numbers))
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= SECTIONS


@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form.name))
def test_github_accepts_the_issue_forms(form: Path) -> None:
    content: dict[str, Any] = yaml.safe_load(form.read_text())
    if form.name == "config.yml":
        assert content == {"blank_issues_enabled": False}
        return
    assert content.keys() == {"name", "description", "labels", "body"}
    asked = [item for item in content["body"] if item["type"] != "markdown"]
    assert {item["type"] for item in asked} <= {"dropdown", "input", "textarea"}
    assert len({item["id"] for item in asked}) == len(asked)
    assert all(item["attributes"]["label"] for item in asked)


def test_the_devcontainer_has_the_versions_of_ci() -> None:
    lines = (ROOT / ".devcontainer/devcontainer.json").read_text().splitlines()
    settings = json.loads("\n".join(line for line in lines if not line.startswith("//")))
    folder = ROOT / ".devcontainer"
    dockerfile = (folder / settings["build"]["dockerfile"]).read_text()
    assert f"golang:{GO}-" in dockerfile
    assert "python:3.13-" in dockerfile
    assert settings["postCreateCommand"] == "make setup"
