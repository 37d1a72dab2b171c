"""What runs this project elsewhere says the same as the project: compose and skaffold.

Compose itself is tried in tests/containers. There is no skaffold here: what it reads is checked
against the files that it names, and its dev loop is done by hand in tests/containers.
"""

import itertools
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from bookstore_api.settings.load import assess, read_sources
from bookstore_api.settings.unknown import unknown_variables
from devcluster.images import OFFICIAL, Role

pytestmark = pytest.mark.golden

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SKAFFOLD: list[dict[str, Any]] = list(yaml.safe_load_all((ROOT / "skaffold.yaml").read_text()))
ARTIFACTS = [artifact for config in SKAFFOLD for artifact in config["build"]["artifacts"]]


# compose.yaml


@pytest.mark.parametrize("name", COMPOSE["services"], ids=lambda name: f"service-{name}")
def test_each_service_is_confined(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] not in {"0", "root"}
    assert service["profiles"], "a service without a profile starts with every profile"
    assert name == "migrate" or "healthcheck" in service


def test_no_two_services_of_a_profile_want_the_same_port() -> None:
    wanted = Counter(
        (profile, port)
        for service in COMPOSE["services"].values()
        for profile in service["profiles"]
        for port in service.get("ports", [])
    )
    assert wanted
    assert max(wanted.values()) == 1


def test_compose_and_devcluster_name_the_same_official_images() -> None:
    text = (ROOT / "compose.yaml").read_text()
    for role in Role:
        assert f"${{{role.value}:-{OFFICIAL[role]}}}" in text


def test_the_profile_for_no_profile_is_one() -> None:
    default = (ROOT / ".env").read_text().splitlines()[-1].removeprefix("COMPOSE_PROFILES=")
    assert [n for n, s in COMPOSE["services"].items() if default in s["profiles"]] == ["api"]


@pytest.mark.parametrize("name", ["api", "api-postgres", "migrate"])
def test_compose_sets_what_the_api_starts_with(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"BOOKSTORE_DATABASE_PASSWORD": "b3d1f7a94c", "BOOKSTORE_STAFF_TOKEN": "9c41e07bd25a" * 4}
    assert rejected_of(name, {}, monkeypatch) == set()
    assert rejected_of(name, own, monkeypatch) == set()


def test_compose_takes_production_with_secrets_of_ones_own_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {"BOOKSTORE_ENVIRONMENT": "production"}
    assert rejected_of("api-postgres", given, monkeypatch) == {"database_url", "staff_token"}
    given["BOOKSTORE_DATABASE_PASSWORD"] = "b3d1f7a94c"
    given["BOOKSTORE_STAFF_TOKEN"] = "9c41e07bd25a38f6b1d20c7e94a5f863"
    assert rejected_of("api-postgres", given, monkeypatch) == set()


def rejected_of(service: str, given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Load the settings of a service of compose.yaml; what its environment rejects of them."""

    def filled_in(match: re.Match[str]) -> str:
        return given.get(match[1]) or match[2]

    for name in [name for name in os.environ if name.startswith("BOOKSTORE_")]:
        monkeypatch.delenv(name)
    for name, value in COMPOSE["services"][service]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{(\w+):-([^}]*)\}", filled_in, value))
    assert unknown_variables(os.environ) == []
    assessment = assess(read_sources())
    assert assessment.malformed == ()
    return {invalid.setting for invalid in assessment.rejected}


# skaffold.yaml


def test_skaffold_builds_what_the_manifests_run() -> None:
    built = {artifact["image"] for artifact in ARTIFACTS}
    manifests = [
        (ROOT / path).read_text()
        for item in SKAFFOLD
        for path in item.get("manifests", {"rawYaml": []})["rawYaml"]
    ]
    named = {
        name
        for text in manifests
        for name in re.findall(
            r"^ +(?:image|value): (?:\d+=)?(localhost/[a-z-]+):", text, re.MULTILINE
        )
    }
    assert built == named


def test_skaffold_tags_the_image_of_backups_as_the_manifests_name_it() -> None:
    backup = next(config for config in SKAFFOLD if config["metadata"]["name"] == "backup")
    tag = backup["build"]["tagPolicy"]["envTemplate"]["template"]
    (artifact,) = backup["build"]["artifacts"]
    install = (ROOT / "manifests/install.yaml").read_text()
    assert f"value: 18={artifact['image']}:{tag}\n" in install


def test_skaffold_rewrites_the_field_of_the_bookstore_that_is_its_image() -> None:
    (rule,) = [item for config in SKAFFOLD for item in resource_rules(config)]
    kind, _, group = rule["groupKind"].partition(".")
    crd = yaml.safe_load((ROOT / "crds/bookstores.bookstore.dev.yaml").read_text())["spec"]
    assert (kind, group) == (crd["names"]["kind"], crd["group"])
    (path,) = rule["image"]
    schema = crd["versions"][0]["schema"]["openAPIV3Schema"]
    for part in path.removeprefix(".").split("."):
        schema = schema["properties"][part]
    assert schema["type"] == "string"


def test_the_bookstore_comes_after_its_operator() -> None:
    for before, after in itertools.pairwise(SKAFFOLD):
        assert after["requires"] == [{"configs": [before["metadata"]["name"]]}]


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=lambda artifact: str(artifact["image"]))
def test_skaffold_builds_from_files_that_are_there(artifact: dict[str, Any]) -> None:
    assert (ROOT / artifact["docker"]["dockerfile"]).is_file()


def test_the_dev_profile_serves_what_it_syncs() -> None:
    target, sync = dev_patches()
    dockerfile = (ROOT / "Dockerfile.api").read_text()
    _, _, stage = dockerfile.partition(f" AS {target}\n")
    (folder,) = re.findall(r"^ENV .*\bBOOKSTORE_RELOAD=(\S+)$", stage, re.MULTILINE)
    for rule in sync["manual"]:
        assert list(ROOT.glob(rule["src"])), rule
        assert rule["dest"] == folder
        assert rule["src"].startswith(rule["strip"] + "bookstore_api/")
    synced = {file for rule in sync["manual"] for file in ROOT.glob(rule["src"])}
    package = ROOT / "api/bookstore_api"
    everything = {file for kind in ("*.py", "*.toml") for file in package.rglob(kind)}
    migrations = package / "db/migrations"
    assert everything - synced == {*migrations.rglob("*.py")}, "a migration is a release"


def dev_patches() -> tuple[str, dict[str, Any]]:
    """Return the stage that the dev profile builds, and its rules of what is synced."""
    (profile,) = [p for config in SKAFFOLD for p in config.get("profiles", [])]
    values = {patch["path"]: patch["value"] for patch in profile["patches"]}
    target: str = values["/build/artifacts/0/docker/target"]
    sync: dict[str, Any] = values["/build/artifacts/0/sync"]
    return target, sync


def resource_rules(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a config says of objects that are not Kubernetes' own."""
    rules: list[dict[str, Any]] = config.get("resourceSelector", {}).get("allow", [])
    return rules
