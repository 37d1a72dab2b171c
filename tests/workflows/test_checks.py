"""What is checked before a version is published or production is deployed to."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.checks.changelog import release_notes, version_of_tag
from delivery.checks.environments import problems
from delivery.images import DOCKERFILES
from delivery.release import versions, write_files
from tests.support.helm import helm

pytestmark = pytest.mark.golden

CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-01

### Added

- Restores.

## [0.1.0] - 2026-11-01

## [0.0.1] - 2026-10-01

- The first.
"""
GUARDED: dict[str, Any] = {
    "name": "production",
    "can_admins_bypass": False,
    "deployment_branch_policy": {"protected_branches": True, "custom_branch_policies": False},
    "protection_rules": [
        {
            "type": "required_reviewers",
            "prevent_self_review": True,
            "reviewers": [{"type": "Team", "reviewer": {"slug": "operators"}}],
        },
        {"type": "branch_policy"},
    ],
}
UNREVIEWED = [{"type": "required_reviewers", "prevent_self_review": True, "reviewers": []}]
SELF_REVIEWED = [{**GUARDED["protection_rules"][0], "prevent_self_review": False}]


def test_a_guarded_environment_has_no_problem() -> None:
    assert list(problems(GUARDED)) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"protection_rules": []}, "no required reviewers"),
        ({"protection_rules": UNREVIEWED}, "no required reviewers"),
        ({"protection_rules": SELF_REVIEWED}, "approve their own"),
        ({"deployment_branch_policy": None}, "any branch"),
        ({"can_admins_bypass": True}, "administrators bypass"),
    ],
)
def test_what_an_environment_lacks_is_named(change: dict[str, Any], problem: str) -> None:
    (found,) = problems({**GUARDED, **change})
    assert problem in found


def test_notes_of_a_version_are_its_section() -> None:
    assert release_notes(CHANGELOG, "0.2.0") == "### Added\n\n- Restores.\n"
    assert release_notes(CHANGELOG, "0.0.1") == "- The first.\n"


@pytest.mark.parametrize("version", ["0.1.0", "0.3.0", "0.2", "Unreleased"])
def test_a_version_without_notes_is_not_released(version: str) -> None:
    with pytest.raises(ValueError, match="has no section for"):
        release_notes(CHANGELOG, version)


def test_a_tag_is_the_version_of_all_parts() -> None:
    parts = versions()
    assert len(parts) == 4
    (version,) = set(parts.values())
    assert version_of_tag(f"v{version}", parts) == version
    with pytest.raises(ValueError, match="other versions"):
        version_of_tag("v99.0.0", parts)
    with pytest.raises(ValueError, match="is no version"):
        version_of_tag("v1.2.3-rc1", parts)


def test_the_files_of_a_version_name_its_images(
    helm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = {name: f"sha256:{n + 1:064x}" for n, name in enumerate(DOCKERFILES)}
    monkeypatch.setattr("delivery.release.release_notes", lambda _text, _version: "- The first.\n")
    dist = tmp_path / "dist"
    write_files("1.2.3", "registry.example.com/Shop", digests, dist)
    named = f"registry.example.com/shop/bookstore-operator@{digests['operator']}"
    assert f"image: {named}\n" in (dist / "install.yaml").read_text()
    assert "localhost" not in (dist / "install.yaml").read_text()
    assert digests["api"] in (dist / "notes.md").read_text()
    (chart,) = dist.glob("*.tgz")
    assert chart.name == "bookstore-operator-1.2.3.tgz"
    rendered = helm("template", "x", chart, folder=helm_folder)
    assert f"image: {named}\n" in rendered
    assert "localhost" not in rendered
    assert yaml.safe_load(helm("show", "chart", chart, folder=helm_folder))["appVersion"] == "1.2.3"
    assert len(list(dist.glob("*.whl"))) == 3


def test_nothing_is_written_for_a_version_without_notes(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(ValueError, match="has no section for"):
        write_files("99.0.0", "registry.example.com", {}, tmp_path)
    assert (tmp_path / "kept").exists()
