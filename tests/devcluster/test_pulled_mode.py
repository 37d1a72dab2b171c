"""Kind clusters where images can be pulled: what docker and kind are asked, by stand-ins for them.

The stand-ins keep what they are asked and a little state in files; no engine and no network.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from devcluster import binaries, images, kindcluster, paths, prune
from devcluster.engine import EngineChoice
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.images import NODE
from devcluster.offline import gobuild, unused

pytestmark = pytest.mark.devcluster

DOCKER = """#!/bin/sh
cd "$STAND_IN" && echo "docker $*" >> calls
case "$1 $2" in
  version*) case "$*" in *Arch*) echo linux/amd64 ;; *) echo 29.0.1 ;; esac ;;
  "image inspect") for name; do :; done; grep -qxF -- "$name" images && echo sha256:1 ;;
  "manifest inspect") [ -e offline ] || echo '{}' ;;
  pull*) [ ! -e offline ] && echo "$2" >> images ;;
  start*) [ -e node-is-broken ] || touch node-runs ;;
  save*) ;;
  *) echo "docker: unknown: $*" >&2; exit 1 ;;
esac
"""

KIND = """#!/bin/sh
cd "$STAND_IN" && echo "kind $*" >> calls
case "$1 $2" in
  "get clusters") cat clusters ;;
  "create cluster")
    echo "$4" >> clusters
    if [ -e fails ]; then echo "ERROR: failed to create cluster: no luck" >&2; exit 1; fi
    while [ "$1" != --kubeconfig ]; do shift; done
    echo kubeconfig > "$2"
    touch node-runs ;;
  "delete cluster") grep -vxF -- "$4" clusters > rest; mv rest clusters; rm -f node-runs ;;
  "load docker-image")
    if [ -e containerd-store ]; then
      echo "ERROR: failed to load image: exit status 1" >&2
      echo "Command Output: ctr: content digest sha256:1: not found" >&2
      exit 1
    fi ;;
  "load image-archive") ;;
  *) echo "kind: unknown: $*" >&2; exit 1 ;;
esac
"""

KUBECTL = """#!/bin/sh
cd "$STAND_IN" && echo "kubectl $*" >> calls
[ -e node-runs ]
"""


class StandIn:
    """A machine with Docker, kind and kubectl that only say that they did it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("calls", "clusters", "images"):
            (folder / name).touch()

    def calls(self, program: str) -> list[str]:
        """Return what a program was asked, without its name."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line.split(" ", 1)[1] for line in lines if line.startswith(f"{program} ")]

    def forget(self) -> None:
        (self.folder / "calls").write_text("")

    def set(self, state: str, *, to: bool = True) -> None:
        (self.folder / state).touch() if to else (self.folder / state).unlink()

    def clusters(self) -> list[str]:
        return (self.folder / "clusters").read_text().split()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    for variable in ("DOCKER_HOST", "DEVCLUSTER_ENGINE", "DEVCLUSTER_BUILD"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(kindcluster, "_RESTART_SECONDS", 0.5)
    for path, text in (
        (tmp_path / "bin/docker", DOCKER),
        (gobuild.built_program("kind"), KIND),
        (gobuild.built_program("kubectl"), KUBECTL),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    return StandIn(tmp_path)


def test_a_cluster_is_made_of_kinds_own_image_by_its_digest(machine: StandIn) -> None:
    kindcluster.up("mine")

    assert f"pull {NODE}" in machine.calls("docker")
    (create,) = [call for call in machine.calls("kind") if call.startswith("create")]
    folder = paths.cluster("mine")
    assert create == (
        f"create cluster --name mine --image {NODE} --config {folder}/kind.yaml "
        f"--kubeconfig {folder}/kubeconfig --wait 180s"
    )
    assert not (paths.cache() / "debian").exists(), "nothing is made where all can be pulled"
    assert sorted(link.name for link in (folder / "bin").iterdir()) == ["kind", "kubectl"]
    environment = kindcluster.get("mine").environment()
    assert "DOCKER_HOST" not in environment
    assert environment["POSTGRES_IMAGE"] == "postgres:18"


def test_a_second_up_does_nothing(machine: StandIn) -> None:
    kindcluster.up("mine")
    machine.forget()
    kindcluster.up("mine")
    assert machine.calls("kind") == ["get clusters"]
    assert not [call for call in machine.calls("docker") if call.startswith(("pull", "start"))]


def test_an_image_that_is_there_is_not_pulled_again_and_needs_no_network(machine: StandIn) -> None:
    (machine.folder / "images").write_text(f"{NODE}\n")
    machine.set("offline")
    assert kindcluster.choose(EngineChoice.AUTO)[1]
    kindcluster.up("mine")
    assert not [call for call in machine.calls("docker") if call.startswith(("pull", "manifest"))]


def test_images_are_pulled_before_they_are_loaded_and_go_together(machine: StandIn) -> None:
    kindcluster.up("mine")
    (machine.folder / "images").write_text("built:1\n")
    machine.forget()
    kindcluster.get("mine").load(["built:1", "postgres:18"])
    assert "pull postgres:18" in machine.calls("docker")
    assert machine.calls("kind") == ["load docker-image built:1 postgres:18 --name mine"]


def test_images_of_an_engine_with_containerds_store_are_loaded_for_this_machine_only(
    machine: StandIn,
) -> None:
    kindcluster.up("mine")
    machine.set("containerd-store")
    machine.forget()
    kindcluster.get("mine").load(["postgres:18"])
    (save,) = [call for call in machine.calls("docker") if call.startswith("save")]
    archive = save.split("--output ")[1].split()[0]
    assert save == f"save --platform=linux/amd64 --output {archive} postgres:18"
    assert machine.calls("kind")[-1] == f"load image-archive {archive} --name mine"
    assert not Path(archive).exists()


def test_foreign_clusters_are_left_alone(machine: StandIn) -> None:
    (machine.folder / "clusters").write_text("theirs\n")
    kindcluster.up("mine")
    kindcluster.down("theirs")
    kindcluster.down("mine")
    assert machine.clusters() == ["theirs"]
    deleted = [call for call in machine.calls("kind") if call.startswith("delete")]
    assert deleted == ["delete cluster --name mine"]
    with pytest.raises(DevclusterError, match="not made here") as caught:
        kindcluster.up("theirs")
    assert "kind delete cluster --name theirs" in caught.value.hint
    assert machine.clusters() == ["theirs"]
    assert list(paths.clusters().iterdir()) == []


def test_a_cluster_that_could_not_be_made_is_made_anew(machine: StandIn) -> None:
    machine.set("fails")
    with pytest.raises(CommandFailed, match="no luck") as caught:
        kindcluster.up("mine")
    assert "devcluster down --name mine" in caught.value.hint
    assert [found.running for found in kindcluster.status()] == [False]

    machine.set("fails", to=False)
    kindcluster.up("mine")

    assert [found.running for found in kindcluster.status()] == [True]
    calls = [call.split(" ")[0] for call in machine.calls("kind")]
    assert calls == ["get", "create", "get", "delete", "create"]
    assert machine.clusters() == ["mine"]


def test_a_port_that_was_taken_since_is_said(machine: StandIn) -> None:
    machine.set("fails")
    with pytest.raises(CommandFailed):
        kindcluster.up("mine")
    machine.set("fails", to=False)
    machine.forget()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(DevclusterError, match="taken by another program"):
            kindcluster.up("mine", port=taken.getsockname()[1])
    assert not [call for call in machine.calls("kind") if call.startswith("create")]


def test_after_a_reboot_the_node_is_started_and_not_made_anew(machine: StandIn) -> None:
    kindcluster.up("mine")
    machine.set("node-runs", to=False)
    machine.forget()
    kindcluster.up("mine")
    assert "start mine-control-plane" in machine.calls("docker")
    assert machine.calls("kind") == ["get clusters"]


def test_a_node_that_does_not_come_back_is_made_anew(machine: StandIn) -> None:
    kindcluster.up("mine")
    machine.set("node-runs", to=False)
    machine.set("node-is-broken")
    machine.forget()
    kindcluster.up("mine")
    calls = [call.split(" ")[0] for call in machine.calls("kind")]
    assert calls == ["get", "delete", "create"]


def test_a_record_that_was_cut_short_can_be_taken_down(machine: StandIn) -> None:
    kindcluster.up("mine")
    (paths.cluster("mine") / "kind.json").write_text("{")
    kindcluster.down("mine")
    assert machine.clusters() == []
    assert not paths.cluster("mine").exists()


def test_prune_leaves_the_machines_own_images_alone(machine: StandIn) -> None:
    old = paths.binaries() / "kind-v0.1.0-linux-amd64-00000000"
    old.mkdir()
    (old / "kind").write_text("old")
    kindcluster.up("mine")
    machine.forget()
    found = list(prune.unused())
    assert [thing.what for thing in found] == [str(old)]
    for thing in found:
        thing.remove()
    assert not old.exists()
    assert machine.calls("docker") == []
    assert binaries.cached("kind")


def test_prune_knows_what_is_in_use_and_what_is_being_made(machine: StandIn) -> None:
    kindcluster.up("mine")
    assert machine.clusters() == ["mine"]
    old = paths.binaries() / "kubectl-of-an-earlier-version"
    used = paths.binaries() / "kubectl-that-a-cluster-uses"
    for folder in (old, used):
        folder.mkdir()
        (folder / "kubectl").touch()
    link = paths.cluster("mine") / "bin/kubectl"
    link.unlink()
    link.symlink_to(used / "kubectl")
    left = paths.binaries() / f".unfinished-{gobuild.build_folder(gobuild.RECIPES[0]).name}-x"
    left.mkdir()
    elsewhere = paths.binaries() / "linked"
    elsewhere.symlink_to(machine.folder)
    roots = paths.cache() / "roots"
    roots.mkdir()
    (roots / "node-000000000000.tar").write_bytes(bytes(1 << 20))

    found = {thing.what: thing.bytes for thing in prune.unused()}

    assert set(found) == {str(old), str(left), str(roots / "node-000000000000.tar")}
    assert found[str(roots / "node-000000000000.tar")] >= 1 << 20


@pytest.mark.parametrize(
    ("said", "count"),
    [("0B", 0), ("12.3MB", 12_300_000), ("1.5GB", 1_500_000_000), ("7kB", 7000), ("", 0)],
)
def test_sizes_are_read_as_docker_prints_them(said: str, count: int) -> None:
    assert unused.byte_count(said) == count


def test_the_metrics_server_is_the_one_whose_manifest_is_here() -> None:
    manifest = (paths.DATA / "metrics-server.yaml").read_text()
    assert "@IMAGE@" in manifest
    assert images.METRICS_SERVER.startswith("registry.k8s.io/metrics-server/metrics-server:v0.")
