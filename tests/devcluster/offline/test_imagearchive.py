"""Images are what a Docker engine expects, and the same for the same content."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from devcluster.offline.imagearchive import Entry, Image, Layer, write_archive, write_layer

pytestmark = pytest.mark.devcluster


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "program"
    file.write_bytes(b"\x7fELF and so on" * 1000)
    file.chmod(0o700)
    return file


def entries(program: Path) -> list[Entry]:
    return [
        Entry("/usr/local/bin/kubelet", source=program),
        Entry("/usr/local/bin/kubectl", link="kubelet", mode=0o777),
        Entry("/tmp", mode=0o1777),
        Entry("/data", mode=0o700, owner=999),
    ]


@pytest.fixture
def layer(tmp_path: Path, program: Path) -> Layer:
    return write_layer(entries(program), tmp_path / "layer.tar")


def _written(images: list[Image], archive: Path) -> dict[str, bytes]:
    write_archive(images, archive, machine="x86_64")
    with tarfile.open(archive) as tar:
        read = {}
        for member in tar.getmembers():
            file = tar.extractfile(member)
            assert file is not None
            assert member.name not in read, "written twice"
            read[member.name] = file.read()
    return read


def test_a_layer_has_what_was_asked_for(layer: Layer) -> None:
    with tarfile.open(layer.path) as tar:
        members = {member.name: member for member in tar.getmembers()}

    assert members["usr/local/bin/kubelet"].mode == 0o755
    assert members["usr/local/bin/kubelet"].uid == 0
    assert members["usr/local/bin/kubectl"].linkname == "kubelet"
    assert members["tmp"].mode == 0o1777
    assert members["data"].uid == members["data"].gid == 999


def test_a_layer_is_the_same_whenever_and_by_whomever_it_is_made(
    layer: Layer, program: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(program.read_bytes())
    copy.chmod(0o755)

    assert write_layer(entries(copy), tmp_path / "again.tar").digest == layer.digest


def test_layers_that_images_share_are_written_once(layer: Layer, tmp_path: Path) -> None:
    images = [Image(f"registry.k8s.io/{name}:v1", (layer,)) for name in ("a", "b", "c")]

    files = _written(images, tmp_path / "images.tar")

    manifest: list[dict[str, Any]] = json.loads(files["manifest.json"])
    assert [entry["RepoTags"] for entry in manifest] == [[image.name] for image in images]
    assert {name for entry in manifest for name in entry["Layers"]} == {f"{layer.digest}.tar"}


def test_the_configuration_names_the_layers_by_their_content(layer: Layer, tmp_path: Path) -> None:
    image = Image(
        "localhost/database:18",
        (layer,),
        entrypoint=("start",),
        user="999:999",
        stop_signal="SIGINT",
        volumes=("/data",),
        environment={"PGDATA": "/data/18"},
    )

    files = _written([image], tmp_path / "image.tar")

    name = json.loads(files["manifest.json"])[0]["Config"]
    assert name == f"{hashlib.sha256(files[name]).hexdigest()}.json"
    config = json.loads(files[name])
    assert config["architecture"] == "amd64"
    content = hashlib.sha256(files[f"{layer.digest}.tar"]).hexdigest()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{content}"]
    assert config["config"]["Entrypoint"] == ["start"]
    assert config["config"]["User"] == "999:999"
    assert config["config"]["StopSignal"] == "SIGINT"
    assert config["config"]["Volumes"] == {"/data": {}}
    assert "PGDATA=/data/18" in config["config"]["Env"]
    assert any(entry.startswith("PATH=") for entry in config["config"]["Env"])
