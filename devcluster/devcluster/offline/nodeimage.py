"""The image of a kind node, made where kind's own can't be pulled.

A Debian with systemd, containerd and the node's own files (data/nodeimage); the Kubernetes
programs; and an archive with the control plane's images, which the node takes into its containerd
when it first starts. Those images are one shared layer with the same programs: each differs in
little more than its name.
"""

import platform
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from devcluster import disk, paths, progress, run, versions
from devcluster.engine import Engine
from devcluster.locking import locked
from devcluster.offline import debian, privateengine
from devcluster.offline.imagearchive import (
    RECIPE_LABEL,
    Entry,
    Image,
    Layer,
    load_images,
    write_archive,
    write_layer,
)

NAME = f"localhost/bookstore-node:{versions.KUBERNETES}"

_PACKAGES = (
    *("systemd", "systemd-sysv", "containerd", "runc", "containernetworking-plugins"),
    *("iptables", "nftables", "iproute2", "conntrack", "socat", "ethtool", "kmod", "procps"),
    *("mount", "util-linux", "ca-certificates"),
)

_STARTED_UNITS = ("kubelet.service", "hostpath.path")

# Raised when this module puts something else into the image, or puts it elsewhere: engines then
# get a new image. What is in data/nodeimage and which programs there are count by themselves.
_LAYOUT = 2

# On the node, and with the control plane's programs in the images.
_ON_NODE = (
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
    *("kubelet", "kubeadm", "kubectl", "etcd", "coredns"),
)
PROGRAMS = (*_ON_NODE, "pause")


def ensure(docker: Engine, programs: Mapping[str, Path]) -> str:
    """Make the node image in the engine if it is missing, and return its name.

    `programs` has a path for each of PROGRAMS. Raises DevclusterError.
    """
    with locked("images"):
        if present(docker, programs):
            return NAME
        root = debian.root_archive(recipe(), privateengine.tools_root(), expected_seconds=35)
        with (
            progress.step("Making the node image", expected_seconds=10) as step,
            disk.scratch() as work,
        ):
            image = _image(root, programs, work)
            step.update("into the engine")
            load_images(docker, [image])
    return NAME


def is_prepared(cached: Callable[[str], Path | None]) -> bool:
    """Whether all that takes long is in the cache; `cached` returns where a program is in it."""
    return recipe().archive.exists() and all(map(cached, PROGRAMS))


def present(docker: Engine, programs: Mapping[str, Path]) -> bool:
    """Whether the engine has the node image, made by today's recipe of these programs."""
    return bool(
        docker.output(
            *("image", "ls", "--quiet", "--filter"),
            *(f"label={RECIPE_LABEL}={_digest(programs)}", NAME),
        )
    )


def recipe() -> debian.Recipe:
    """Return how the root file system is made."""
    return debian.Recipe("node", _PACKAGES, "node.sh", {})


def _digest(programs: Mapping[str, Path]) -> str:
    files = debian.content(paths.DATA / "nodeimage")
    folders = [programs[name].parent.name for name in ("kubelet", "pause") if name in programs]
    return debian.fingerprint(recipe().digest, _LAYOUT, files, folders)


def _image(root: Path, programs: Mapping[str, Path], work: Path) -> Image:
    kubernetes = write_layer(_program_entries(programs), work / "programs.tar")
    list_images = ("config", "images", "list", "--kubernetes-version", versions.KUBERNETES)
    names = kubeadm_names(run.output([programs["kubeadm"], *list_images]))
    pause = write_layer(
        [Entry("/usr/local/bin/pause", source=programs["pause"])], work / "pause.tar"
    )
    control_plane = work / "control-plane.tar"
    write_archive(
        _control_plane(names, kubernetes, _proxy_layer(root, work), pause),
        control_plane,
        machine=platform.machine(),
    )
    version = work / "version"
    version.write_text(f"{versions.KUBERNETES}\n")
    containerd = work / "containerd.toml"
    template = (paths.DATA / "nodeimage/containerd.toml").read_text()
    containerd.write_text(template.replace("@PAUSE@", names["pause"]))
    own = write_layer(
        [
            *_node_files(),
            Entry("/kind/version", source=version),
            Entry("/kind/images/control-plane.tar", source=control_plane),
            Entry("/etc/containerd/config.toml", source=containerd),
        ],
        work / "own.tar",
    )
    return Image(
        name=NAME,
        layers=(Layer.of(root), kubernetes, own),
        entrypoint=("/usr/local/sbin/node-entrypoint",),
        environment={"container": "docker"},
        stop_signal="SIGRTMIN+3",  # systemd's "power off"
        volumes=("/var",),
        labels={
            RECIPE_LABEL: _digest(programs),
            "org.opencontainers.image.version": versions.KUBERNETES,
        },
    )


def _node_files() -> Iterable[Entry]:
    """List the node's own files by their places, and the units that systemd starts."""
    folder = paths.DATA / "nodeimage/files"
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield Entry(f"/{file.relative_to(folder)}", source=file)
    units = "/etc/systemd/system"
    for unit in _STARTED_UNITS:
        yield Entry(f"{units}/multi-user.target.wants/{unit}", link=f"{units}/{unit}", mode=0o777)


def _program_entries(programs: Mapping[str, Path]) -> Iterable[Entry]:
    """List the programs by their places; names of one file become links to the first of them."""
    first: dict[int, str] = {}
    for name in _ON_NODE:
        inode = programs[name].stat().st_ino
        if inode in first:
            yield Entry(f"/usr/local/bin/{name}", link=first[inode], mode=0o777)
        else:
            first[inode] = name
            yield Entry(f"/usr/local/bin/{name}", source=programs[name])
    yield Entry("/tmp", mode=0o1777)  # noqa: S108  # a folder in an image


def kubeadm_names(listed: str) -> dict[str, str]:
    """Return the image names that `kubeadm config images list` prints, by their last part."""
    lines = [line.strip() for line in listed.splitlines() if "/" in line and ":" in line]
    return {line.rpartition("/")[2].partition(":")[0]: line for line in lines}


def _control_plane(
    names: Mapping[str, str], programs: Layer, proxy: Layer, pause: Layer
) -> list[Image]:
    plain = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
    return [
        *(Image(names[name], (programs,), command=(name,)) for name in plain),
        Image(names["kube-proxy"], (proxy, programs), command=("kube-proxy",)),
        Image(names["coredns"], (programs,), entrypoint=("/usr/local/bin/coredns",)),
        Image(names["pause"], (pause,), entrypoint=("/usr/local/bin/pause",), user="65535:65535"),
    ]


def _proxy_layer(root: Path, work: Path) -> Layer:
    """Write a layer with iptables and its libraries, from the node's root file system."""
    folder = work / "proxy"
    folder.mkdir()
    entries = []
    with tarfile.open(root) as tar:
        listed = tar.extractfile("./kind/kube-proxy-files")
        assert listed is not None  # noqa: S101  # for mypy: a plain file
        for number, line in enumerate(listed.read().decode().splitlines()):
            path, _, source = line.partition("\t")
            content = tar.extractfile(f".{source}")
            assert content is not None  # noqa: S101  # for mypy: a plain file
            copy = folder / str(number)
            with copy.open("wb") as file:
                shutil.copyfileobj(content, file)
            copy.chmod(0o755)
            entries.append(Entry(path, source=copy))
    for name in ("iptables", "ip6tables"):
        entries += [
            Entry(f"/usr/sbin/{name}{suffix}", link="xtables-nft-multi", mode=0o777)
            for suffix in ("", "-save", "-restore")
        ]
    entries.append(Entry("/run", mode=0o755))
    return write_layer(entries, work / "proxy.tar")
