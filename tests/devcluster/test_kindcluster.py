"""Kind clusters where images can be pulled, by stand-ins for docker, kind and kubectl.

The stand-ins record their arguments and keep a little state in files; no engine and no network.
"""

import re
from pathlib import Path

import pytest
import yaml

from devcluster import binaries, images, kindcluster, paths, prune, versions
from devcluster.engine import EngineChoice
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.images import NODE, NODES, Role
from devcluster.kindcluster import free_port, kind_configuration
from devcluster.offline import gobuild, unused
from tests.devcluster.support import devcluster, execute, taken_port, write_program, write_state

pytestmark = [pytest.mark.devcluster, pytest.mark.usefixtures("own_cache")]

DOCKER = """#!/bin/sh
cd "$STAND_IN" && echo "docker $*" >> calls
case "$1 $2" in
  version*)
    [ ! -e no-engine ] || exit 1
    case "$*" in *Arch*) echo linux/amd64 ;; *) echo 29.0.1 ;; esac ;;
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
    """A machine with Docker, kind and kubectl that only record what they are asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("calls", "clusters", "images"):
            (folder / name).touch()

    def calls(self, program: str, *commands: str) -> list[str]:
        """Return the arguments of a program's calls, of all or of some of its commands."""
        lines = (self.folder / "calls").read_text().splitlines()
        calls = [line.split(" ", 1)[1] for line in lines if line.startswith(f"{program} ")]
        return [call for call in calls if not commands or call.startswith(commands)]

    def forget(self) -> None:
        (self.folder / "calls").write_text("")

    def set(self, state: str, *, to: bool = True) -> None:
        (self.folder / state).touch() if to else (self.folder / state).unlink()

    def clusters(self) -> list[str]:
        return (self.folder / "clusters").read_text().split()


@pytest.fixture
def machine(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    assert paths.cache() == own_cache, "stand-ins must not replace the developer's programs"
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("DEVCLUSTER_ENGINE", raising=False)
    monkeypatch.setattr(kindcluster, "_RESTART_SECONDS", 0.5)
    write_program(tmp_path / "bin/docker", DOCKER)
    write_program(gobuild.built_program("kind"), KIND)
    write_program(gobuild.built_program("kubectl"), KUBECTL)
    return StandIn(tmp_path)


@pytest.fixture
def up(machine: StandIn) -> StandIn:
    """Give a machine on which the cluster `mine` is up; its calls so far are forgotten."""
    kindcluster.up("mine")
    machine.forget()
    return machine


# Configuration


def test_the_node_image_is_pinned_by_digest_and_of_the_same_minor_version() -> None:
    match = re.fullmatch(r"kindest/node:(v\d+\.\d+)\.\d+@sha256:[0-9a-f]{64}", NODE)
    assert match is not None
    assert versions.KUBERNETES.startswith(f"{match[1]}.")
    assert len(set(NODES.values())) == len(NODES)
    for minor, image in NODES.items():
        assert re.fullmatch(rf"v{minor}\.\d+@sha256:[0-9a-f]{{64}}", image)


def test_another_kubernetes_is_pulled_or_said_to_be_unknown(
    machine: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEVCLUSTER_KUBERNETES", "1.31")
    kindcluster.up("mine")
    assert f"pull kindest/node:{NODES['1.31']}" in machine.calls("docker")
    assert f"--image kindest/node:{NODES['1.31']} " in machine.calls("kind", "create")[0]
    monkeypatch.setenv("DEVCLUSTER_KUBERNETES", "1.9")
    with pytest.raises(DevclusterError, match=r"It can be 1\.31, 1\.32, 1\.33, 1\.34"):
        kindcluster.up("other")


def test_where_nothing_can_be_pulled_there_is_one_kubernetes(
    machine: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEVCLUSTER_KUBERNETES", "1.31")
    machine.set("offline")
    with pytest.raises(DevclusterError, match=r"only Kubernetes 1\.34"):
        kindcluster.up("mine")


@pytest.mark.parametrize("more_ports", [0, 2])
def test_ports_are_published_on_this_machine_only(more_ports: int) -> None:
    """More node ports are published on any free port."""
    configuration = yaml.safe_load(kind_configuration(8123, more_ports, own_node_image=False))
    ports = {30080: 8123, 30081: 0, 30082: 0}
    assert configuration["nodes"][0]["extraPortMappings"] == [
        {"containerPort": node_port, "hostPort": port, "listenAddress": "127.0.0.1"}
        for node_port, port in list(ports.items())[: 1 + more_ports]
    ]
    assert configuration["networking"]["apiServerAddress"] == "127.0.0.1"
    assert "kubeadmConfigPatches" not in configuration


def test_more_nodes_are_workers() -> None:
    configuration = yaml.safe_load(kind_configuration(8123, 1, 2, own_node_image=True))
    assert [node["role"] for node in configuration["nodes"]] == ["control-plane", *["worker"] * 2]


def test_our_own_node_gives_the_provisioner_the_folder_of_the_volumes() -> None:
    configuration = yaml.safe_load(kind_configuration(8123, own_node_image=True))
    (patch,) = map(yaml.safe_load, configuration["kubeadmConfigPatches"])
    (volume,) = patch["controllerManager"]["extraVolumes"]
    tmpfiles = (paths.DATA / "nodeimage/files/etc/tmpfiles.d/hostpath.conf").read_text()
    assert volume["hostPath"] in tmpfiles
    assert volume["mountPath"] in tmpfiles


def test_the_metrics_server_is_the_one_whose_manifest_is_here() -> None:
    manifest = (paths.DATA / "metrics-server.yaml").read_text()
    assert "@IMAGE@" in manifest
    assert images.METRICS_SERVER.startswith("registry.k8s.io/metrics-server/metrics-server:v0.")


def test_a_port_that_is_taken_is_passed_over() -> None:
    with taken_port() as port:
        assert free_port(port) > port
        # Another cluster's, that is only just being created.
        assert free_port(port, {port + 1}) > port + 1


# Engines


def test_a_wrong_choice_of_engine_says_what_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVCLUSTER_ENGINE", "podman")
    with pytest.raises(DevclusterError, match="auto, docker or private"):
        EngineChoice.from_environment()


def test_an_engine_that_can_pull_is_used_as_it_is(machine: StandIn) -> None:
    own, pulls = kindcluster.choose(EngineChoice.AUTO)
    assert own is not None
    assert own.docker == machine.folder / "bin/docker"
    assert (own.private, own.environment, pulls) == (False, {}, True)
    assert kindcluster.image_environment(list(Role), EngineChoice.AUTO) == {
        "BASE_IMAGE": "python:3.13-slim-bookworm",
        "POSTGRES_IMAGE": "postgres:18",
        "VALKEY_IMAGE": "valkey/valkey:8.1",
    }


@pytest.mark.parametrize(
    ("state", "choice", "is_own"),
    [
        ("offline", EngineChoice.AUTO, True),
        ("no-engine", EngineChoice.AUTO, False),
        ("usual", EngineChoice.PRIVATE, False),
    ],
)
def test_where_nothing_can_be_pulled_images_are_made_in_an_engine(
    machine: StandIn, state: str, choice: EngineChoice, is_own: bool
) -> None:
    machine.set(state)
    own, pulls = kindcluster.choose(choice)
    assert (own is not None, pulls) == (is_own, False)


def test_an_engine_that_is_asked_for_and_does_not_answer_is_an_error(machine: StandIn) -> None:
    machine.set("no-engine")
    with pytest.raises(DevclusterError, match="No Docker engine answers"):
        kindcluster.choose(EngineChoice.DOCKER)


# Up, load and down


def test_a_cluster_is_created_from_kinds_own_image_by_its_digest(machine: StandIn) -> None:
    cluster = kindcluster.up("mine")

    assert f"pull {NODE}" in machine.calls("docker")
    (create,) = machine.calls("kind", "create")
    folder = paths.cluster("mine")
    assert create == (
        f"create cluster --name mine --image {NODE} --config {folder}/kind.yaml "
        f"--kubeconfig {folder}/kubeconfig --wait 180s"
    )
    assert not (paths.cache() / "debian").exists(), "nothing is made where all can be pulled"
    assert sorted(link.name for link in (folder / "bin").iterdir()) == ["kind", "kubectl"]
    environment = cluster.environment()
    assert "DOCKER_HOST" not in environment
    assert environment["POSTGRES_IMAGE"] == "postgres:18"
    assert kindcluster.get("mine").environment() == environment


def test_a_second_up_does_nothing(up: StandIn) -> None:
    kindcluster.up("mine")
    assert up.calls("kind") == ["get clusters"]
    assert not up.calls("docker", "pull", "start")


def test_a_cluster_asks_its_engine_only_once(machine: StandIn) -> None:
    cluster = kindcluster.up("mine")
    machine.forget()
    cluster.environment()
    cluster.environment()
    cluster.down()
    assert machine.calls("docker") == []
    assert machine.calls("kind") == ["delete cluster --name mine"]


def test_an_image_that_is_there_is_not_pulled_again_and_needs_no_network(machine: StandIn) -> None:
    (machine.folder / "images").write_text(f"{NODE}\n")
    machine.set("offline")
    assert kindcluster.choose(EngineChoice.AUTO)[1]
    kindcluster.up("mine")
    assert not machine.calls("docker", "pull", "manifest")


def test_images_are_pulled_before_they_are_loaded_and_go_together(up: StandIn) -> None:
    (up.folder / "images").write_text("built:1\n")
    kindcluster.get("mine").load(["built:1", "postgres:18"])
    assert "pull postgres:18" in up.calls("docker")
    assert up.calls("kind") == ["load docker-image built:1 postgres:18 --name mine"]


def test_images_of_an_engine_with_containerds_store_are_loaded_for_this_machine_only(
    up: StandIn,
) -> None:
    up.set("containerd-store")
    kindcluster.get("mine").load(["postgres:18"])
    (save,) = up.calls("docker", "save")
    archive = save.split("--output ")[1].split()[0]
    assert save == f"save --platform=linux/amd64 --output {archive} postgres:18"
    assert up.calls("kind")[-1] == f"load image-archive {archive} --name mine"
    assert not Path(archive).exists()


def test_clusters_of_others_are_left_alone(machine: StandIn) -> None:
    (machine.folder / "clusters").write_text("theirs\n")
    kindcluster.up("mine")
    kindcluster.down("theirs")
    kindcluster.down("mine")
    assert machine.clusters() == ["theirs"]
    assert machine.calls("kind", "delete") == ["delete cluster --name mine"]
    with pytest.raises(DevclusterError, match="not made here") as caught:
        kindcluster.up("theirs")
    assert "kind delete cluster --name theirs" in caught.value.hint
    assert machine.clusters() == ["theirs"]
    assert list(paths.clusters().iterdir()) == []


# What goes wrong


def _commands(machine: StandIn) -> list[str]:
    return [call.split(" ")[0] for call in machine.calls("kind")]


def test_a_cluster_that_could_not_be_created_is_recreated(machine: StandIn) -> None:
    machine.set("fails")
    with pytest.raises(CommandFailed, match="no luck") as caught:
        kindcluster.up("mine")
    assert "devcluster down --name mine" in caught.value.hint
    assert [status.state for status in kindcluster.status()] == ["stopped"]

    machine.set("fails", to=False)
    kindcluster.up("mine")

    assert [status.state for status in kindcluster.status()] == ["running"]
    assert _commands(machine) == ["get", "create", "get", "delete", "create"]
    assert machine.clusters() == ["mine"]


def test_a_port_that_was_asked_for_and_is_taken_is_said_before_anything_is_made() -> None:
    with taken_port() as port:
        code, shown = execute(devcluster("up", "--name", "port", "--port", str(port)))
    assert code == 1
    assert f"Port {port} on 127.0.0.1 is taken by another program" in shown
    assert "Choose another with --port" in shown
    assert not paths.cluster("port").exists()

    record = {"private": False, "pulls": True, "image": "x", "port": 8765}
    write_state("theirs", "kind.json", record)
    code, shown = execute(devcluster("up", "--name", "port", "--port", "8765"))
    assert code == 1
    assert "is taken by the cluster theirs" in shown


def test_a_port_that_was_taken_since_is_said(machine: StandIn) -> None:
    machine.set("fails")
    with pytest.raises(CommandFailed):
        kindcluster.up("mine")
    machine.set("fails", to=False)
    machine.forget()
    with taken_port() as port, pytest.raises(DevclusterError, match="taken by another program"):
        kindcluster.up("mine", port=port)
    assert not machine.calls("kind", "create")


def test_after_a_reboot_the_node_is_started_and_not_recreated(up: StandIn) -> None:
    up.set("node-runs", to=False)
    kindcluster.up("mine")
    assert "start mine-control-plane" in up.calls("docker")
    assert up.calls("kind") == ["get clusters"]


def test_a_node_that_does_not_come_back_is_recreated(up: StandIn) -> None:
    up.set("node-runs", to=False)
    up.set("node-is-broken")
    kindcluster.up("mine")
    assert _commands(up) == ["get", "delete", "create"]


def test_a_record_that_was_cut_short_is_a_half_made_cluster() -> None:
    write_state("torn", "kind.json", "")
    with pytest.raises(DevclusterError, match="half made"):
        kindcluster.get("torn")
    assert [status.name for status in kindcluster.status()] == ["torn"]


def test_a_record_that_was_cut_short_can_be_taken_down(up: StandIn) -> None:
    (paths.cluster("mine") / "kind.json").write_text("{")
    kindcluster.down("mine")
    assert up.clusters() == []
    assert not paths.cluster("mine").exists()


# Prune


def test_prune_leaves_the_machines_own_images_alone(up: StandIn) -> None:
    old = paths.binaries() / "kind-v0.1.0-linux-amd64-00000000"
    write_program(old / "kind", "old")
    items = list(prune.unused())
    assert [item.what for item in items] == [str(old)]
    for item in items:
        item.remove()
    assert not old.exists()
    assert up.calls("docker") == []
    assert binaries.cached("kind")


def test_prune_knows_what_is_in_use_and_what_is_being_made(up: StandIn) -> None:
    assert up.clusters() == ["mine"]
    old = paths.binaries() / "kubectl-of-an-earlier-version"
    used = paths.binaries() / "kubectl-that-a-cluster-uses"
    for folder in (old, used):
        write_program(folder / "kubectl", "")
    link = paths.cluster("mine") / "bin/kubectl"
    link.unlink()
    link.symlink_to(used / "kubectl")
    left = paths.binaries() / f".unfinished-{gobuild.build_folder(gobuild.RECIPES[0]).name}-x"
    left.mkdir()
    (paths.binaries() / "linked").symlink_to(up.folder)
    root = paths.cache() / "roots/node-000000000000.tar"
    root.parent.mkdir()
    root.write_bytes(bytes(1 << 20))

    sizes = {item.what: item.bytes for item in prune.unused()}

    assert set(sizes) == {str(old), str(left), str(root)}
    assert sizes[str(root)] >= 1 << 20


@pytest.mark.parametrize(
    ("size", "count"),
    [("0B", 0), ("12.3MB", 12_300_000), ("1.5GB", 1_500_000_000), ("7kB", 7000), ("", 0)],
)
def test_sizes_are_read_as_docker_prints_them(size: str, count: int) -> None:
    assert unused.byte_count(size) == count
