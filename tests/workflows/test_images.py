"""What is asked of docker and cosign, by programs in their place that keep their arguments."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from delivery import images

pytestmark = pytest.mark.golden

REGISTRY = "registry.example.com/Shop"
COMMIT = "c0ffee" + "0" * 34
IDENTITY = "https://git.example.com/it/.github/workflows/delivery.yaml@refs/heads/main"
DIGESTS = {name: f"sha256:{n + 1:064x}" for n, name in enumerate(images.DOCKERFILES)}
API = DIGESTS["api"]
LIST = images.as_list(DIGESTS)
PROGRAM = f"""\
#!{sys.executable}
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parent
words = [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]
with (folder / "asked").open("a") as file:
    file.write(json.dumps(words) + "\\n")
digests = {DIGESTS!r}
if "--metadata-file" in words:
    digest = next(digests[name] for name in digests if f"Dockerfile.{{name}}" in words)
    file = pathlib.Path(words[words.index("--metadata-file") + 1])
    file.write_text(json.dumps({{"containerimage.digest": digest}}))
if "{{{{json .Manifest}}}}" in words:
    answer = folder / "manifest"
    digest = next(digests[name] for name in digests if f"bookstore-{{name}}:" in words[-1])
    print(answer.read_text() if answer.exists() else json.dumps({{"digest": digest}}))
failing = folder / "failing"
sys.exit(failing.exists() and failing.read_text() in words)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the programs, which are found first."""
    for name in ("docker", "cosign"):
        file = tmp_path / name
        file.write_text(PROGRAM)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for name, value in {"REGISTRY": REGISTRY, "COMMIT": COMMIT, "IDENTITY": IDENTITY}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    return tmp_path


def asked(folder: Path) -> list[list[str]]:
    """Return the command lines so far."""
    return [json.loads(line) for line in (folder / "asked").read_text().splitlines()]


def outputs(folder: Path) -> dict[str, str]:
    """Return what the next jobs get."""
    lines = (folder / "outputs").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_images_go_from_builds_to_a_signed_index_by_digest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step names an image by a tag that somebody could move meanwhile."""
    for platform in ("amd64", "arm64"):
        monkeypatch.setenv("PLATFORM", f"linux/{platform}")
        assert images.main(["push"]) == 0
        digests = outputs(folder)["digests"]
        assert json.loads(digests) == DIGESTS
        monkeypatch.setenv(platform.upper(), digests)
    built = [words for words in asked(folder) if words[2] == "build"]
    assert len(built) == 2 * len(DIGESTS)
    for words in built:
        assert {"--sbom=true", "--provenance=mode=max"} <= set(words)
        assert not [word for word in words if word.startswith("--tag")]

    assert images.main(["index"]) == 0
    name = "registry.example.com/shop/bookstore-api"
    created = [words for words in asked(folder) if words[3] == "create"]
    assert created[0][4:] == ["--tag", f"{name}:sha-{COMMIT}", f"{name}@{API}", f"{name}@{API}"]
    assert outputs(folder)["registry"] == "registry.example.com/shop"
    assert outputs(folder)["images"] == LIST
    monkeypatch.setenv("IMAGES", LIST)

    assert images.main(["sign"]) == 0
    assert images.main(["verify"]) == 0
    signed = [words for words in asked(folder) if words[0] == "cosign"]
    assert [words[-1] for words in signed if words[1] == "sign"] == [
        f"registry.example.com/shop/bookstore-{image}@{digest}" for image, digest in DIGESTS.items()
    ]
    verified = [words for words in signed if words[1] == "verify"]
    assert verified[0][2:4] == ["--certificate-identity", IDENTITY]
    assert len(verified) == len(DIGESTS)


@pytest.mark.parametrize(
    ("command", "variables", "problem"),
    [
        ("push", {"PLATFORM": "amd64"}, "'amd64' is no platform"),
        ("push", {}, "Set PLATFORM"),
        ("index", {"AMD64": "{}", "ARM64": '{"api": "x"}'}, "no image for amd64"),
        ("index", {"AMD64": '{"api": "latest"}', "ARM64": '{"api": "x"}'}, "'latest' is no digest"),
        ("sign", {}, "Set IMAGES"),
        ("sign", {"IMAGES": "api"}, "IMAGES is no list"),
        ("sign", {"IMAGES": '["api"]'}, "IMAGES is no list"),
        ("sign", {"IMAGES": '[{"name": "api", "digest": "x"}]'}, "IMAGES must name api, "),
        ("sign", {"IMAGES": LIST.replace(API, "latest")}, "'latest' is no digest"),
        ("verify", {"IMAGES": LIST, "IDENTITY": ".*"}, "no identity"),
    ],
)
def test_what_is_missing_or_no_digest_ends_it(
    command: str, variables: dict[str, str], problem: str, folder: Path
) -> None:
    program = [sys.executable, "-m", "delivery.images", command]
    environment = {**os.environ, **variables}
    done = subprocess.run(
        program, cwd=images.ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert problem in done.stderr
    assert not (folder / "outputs").exists()


@pytest.mark.parametrize("command", ["sign", "verify"])
def test_a_failing_program_ends_it(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGES", LIST)
    (folder / "failing").write_text(command)
    assert images.main([command]) == 1
    assert "ended with exit code 1" in capsys.readouterr().err
    assert len(asked(folder)) == 1, "the second image was not tried"


def test_an_answer_without_digest_ends_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "manifest").write_text('{"digest": ""}')
    assert images.main(["of-commit"]) == 1
    assert "The registry gave no digest" in capsys.readouterr().err
