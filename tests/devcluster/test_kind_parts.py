"""The small decisions on the way to a kind cluster."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
import yaml

from devcluster import kindcluster, paths, versions
from devcluster.engine import EngineChoice
from devcluster.errors import DevclusterError
from devcluster.images import NODE, Role
from devcluster.kindcluster import free_port, kind_configuration

pytestmark = pytest.mark.devcluster


def test_the_node_image_is_pinned_by_digest_and_of_the_same_minor_version() -> None:
    found = re.fullmatch(r"kindest/node:(v\d+\.\d+)\.\d+@sha256:[0-9a-f]{64}", NODE)

    assert found is not None
    assert versions.KUBERNETES.startswith(f"{found[1]}.")


def test_a_cluster_publishes_its_port_on_this_machine_only() -> None:
    configuration = yaml.safe_load(kind_configuration(8123, own_node_image=False))

    (mapping,) = configuration["nodes"][0]["extraPortMappings"]
    assert mapping == {"containerPort": 30080, "hostPort": 8123, "listenAddress": "127.0.0.1"}
    assert configuration["networking"]["apiServerAddress"] == "127.0.0.1"
    assert "kubeadmConfigPatches" not in configuration


def test_more_node_ports_are_published_on_any_free_port() -> None:
    configuration = yaml.safe_load(kind_configuration(8123, 2, own_node_image=False))

    mappings = configuration["nodes"][0]["extraPortMappings"]
    assert [(m["containerPort"], m["hostPort"]) for m in mappings] == [
        (30080, 8123),
        (30081, 0),
        (30082, 0),
    ]
    assert {mapping["listenAddress"] for mapping in mappings} == {"127.0.0.1"}


def test_our_own_node_gives_the_provisioner_the_folder_of_the_volumes() -> None:
    configuration = yaml.safe_load(kind_configuration(8123, own_node_image=True))

    (patch,) = map(yaml.safe_load, configuration["kubeadmConfigPatches"])
    (volume,) = patch["controllerManager"]["extraVolumes"]
    tmpfiles = (paths.DATA / "nodeimage/files/etc/tmpfiles.d/hostpath.conf").read_text()
    assert volume["hostPath"] in tmpfiles
    assert volume["mountPath"] in tmpfiles


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert free_port(port) > port
        # Another cluster's, that is only just being made.
        assert free_port(port, {port + 1}) > port + 1


def test_a_wrong_choice_of_engine_says_what_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVCLUSTER_ENGINE", "podman")

    with pytest.raises(DevclusterError, match="auto, docker or private"):
        EngineChoice.from_environment()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder: a file `engine` in it makes a Docker engine answer, `registry` a registry."""
    client = tmp_path / "docker"
    client.write_text(
        f"""#!/bin/sh
case "$1 $2" in
  "version "*) [ -e {tmp_path}/engine ] && echo 29.0 ;;
  "manifest inspect") [ -e {tmp_path}/registry ] && echo '{{}}' ;;
  *) exit 1 ;;
esac
"""
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return tmp_path


def test_an_engine_that_can_pull_is_used_as_it_is(docker: Path) -> None:
    (docker / "engine").touch()
    (docker / "registry").touch()

    own, pulls = kindcluster.choose(EngineChoice.AUTO)

    assert own is not None
    assert own.docker == docker / "docker"
    assert (own.private, own.environment, pulls) == (False, {}, True)
    assert kindcluster.image_environment(list(Role), EngineChoice.AUTO) == {
        "BASE_IMAGE": "python:3.13-slim-bookworm",
        "POSTGRES_IMAGE": "postgres:18",
        "VALKEY_IMAGE": "valkey/valkey:8.1",
    }


def test_an_engine_that_can_not_pull_is_used_with_images_made_here(docker: Path) -> None:
    (docker / "engine").touch()

    own, pulls = kindcluster.choose(EngineChoice.AUTO)

    assert own is not None
    assert pulls is False


def test_without_an_engine_a_private_one_is_chosen(docker: Path) -> None:
    (docker / "registry").touch()

    assert kindcluster.choose(EngineChoice.AUTO) == (None, False)
    with pytest.raises(DevclusterError, match="No Docker engine answers"):
        kindcluster.choose(EngineChoice.DOCKER)


def test_a_private_engine_can_be_asked_for(docker: Path) -> None:
    (docker / "engine").touch()

    assert kindcluster.choose(EngineChoice.PRIVATE) == (None, False)
