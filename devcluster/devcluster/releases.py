"""Published archives of the programs, each pinned by the checksum that its project publishes."""

import platform
from dataclasses import dataclass, field

from devcluster import versions


@dataclass(frozen=True)
class Release:
    """One published file: `members` maps each program in it to its path inside the archive.

    A file that is the program itself has the one member path "". `megabytes` is its rough size.
    """

    name: str
    url: str
    algorithm: str
    digest: str
    members: dict[str, str] = field(hash=False)
    megabytes: int


def system() -> tuple[str, str]:
    """Return operating system and processor as these projects call them: ("linux", "amd64")."""
    machine = platform.machine().lower()
    processor = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return platform.system().lower(), processor


def providing(program: str, on: tuple[str, str]) -> Release | None:
    """Return the smallest pinned release that has `program` for a system, if there is one."""
    releases = [
        release for release in _releases(on) if release.digest and program in release.members
    ]
    return min(releases, key=lambda release: release.megabytes, default=None)


# CHANGELOG-1.34.md of kubernetes/kubernetes, "Downloads for v1.34.4"; SHA-512.
_KUBERNETES_SERVER = {
    ("linux", "amd64"): (
        "65c75e81e3ea488f6d42b493cad64d7577ddfa1e5372037a1c841ac069039997"
        "d359b5b2f2d44e7665bf04c48ed0065cf9d4c9801b1e63bb6a1b099ef00d4863"
    ),
    ("linux", "arm64"): (
        "a1fad7060ed67b5634f32f3256a295179dd887dab5c82b8550c2eb62c69df34c"
        "fbb311c8f93e7608d558eba32b9e2ddc23976db39e512fd747cc6bf9b4c1765f"
    ),
}
_KUBERNETES_CLIENT = {
    ("linux", "amd64"): (
        "018d0a75b74b55942a0777afc7edf64ca98c004e6e12f9dc93ad75c26cb58089"
        "104ba0f9ceae2f0be5a6f6854948c705b0eb828f0960302a0ff84d57c464fc09"
    ),
    ("linux", "arm64"): (
        "7b26519145a69ca0a14497ae476b8061b2f07b69f0cf4669490ed36b9161507c"
        "2457018181c50ba6c86c55f6b68dcd6faeff832ad5e30f3845a11fc996db2146"
    ),
    ("darwin", "amd64"): (
        "d54016baa54cf847d68b56bee5f73f8453e2f7ea2fade04fb0a2dd4dabb2ac34"
        "3e604d2ceae48fb16338c6fb4d92a6eb46b4294dda54500fc93800992a6c1c1d"
    ),
    ("darwin", "arm64"): (
        "7770047fb7040e9f8f59daea877cc6fa1c9c7444e397b5d6252389d35b766ea3"
        "efe52677048d9b6710e9f866994635b985d64f631e396ba36b2689a77c75f7a0"
    ),
}
# SHA256SUMS of etcd's release v3.6.5.
_ETCD = {
    ("linux", "amd64"): "66bad39ed920f6fc15fd74adcb8bfd38ba9a6412f8c7852d09eb11670e88cac3",
    ("linux", "arm64"): "7010161787077b07de29b15b76825ceacbbcedcb77fe2e6832f509be102cab6b",
}
# The .sha256sum files of kind's release v0.30.0.
_KIND = {
    ("linux", "amd64"): "517ab7fc89ddeed5fa65abf71530d90648d9638ef0c4cde22c2c11f8097b8889",
    ("linux", "arm64"): "7ea2de9d2d190022ed4a8a4e3ac0636c8a455e460b9a13ccf19f15d07f4f00eb",
}
# kwok and metrics-server: no published checksum could be confirmed, so they are built.

_SERVER_PROGRAMS = (
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
    *("kubelet", "kubeadm", "kubectl"),
)


def _releases(on: tuple[str, str]) -> list[Release]:
    """Return every release; those that are not published for the system have no digest."""
    suffix = "-".join(on)
    kubernetes = f"https://dl.k8s.io/{versions.KUBERNETES}"
    etcd = f"etcd-{versions.ETCD}-{suffix}"
    github = "https://github.com"
    return [
        Release(
            name=f"kubernetes-client-{versions.KUBERNETES}-{suffix}",
            url=f"{kubernetes}/kubernetes-client-{suffix}.tar.gz",
            algorithm="sha512",
            digest=_KUBERNETES_CLIENT.get(on, ""),
            members={"kubectl": "kubernetes/client/bin/kubectl"},
            megabytes=30,
        ),
        Release(
            name=f"kubernetes-server-{versions.KUBERNETES}-{suffix}",
            url=f"{kubernetes}/kubernetes-server-{suffix}.tar.gz",
            algorithm="sha512",
            digest=_KUBERNETES_SERVER.get(on, ""),
            members={name: f"kubernetes/server/bin/{name}" for name in _SERVER_PROGRAMS},
            megabytes=350,
        ),
        Release(
            name=etcd,
            url=f"{github}/etcd-io/etcd/releases/download/{versions.ETCD}/{etcd}.tar.gz",
            algorithm="sha256",
            digest=_ETCD.get(on, ""),
            members={"etcd": f"{etcd}/etcd"},
            megabytes=24,
        ),
        Release(
            name=f"kind-{versions.KIND}-{suffix}",
            url=f"{github}/kubernetes-sigs/kind/releases/download/{versions.KIND}/kind-{suffix}",
            algorithm="sha256",
            digest=_KIND.get(on, ""),
            members={"kind": ""},
            megabytes=10,
        ),
    ]
