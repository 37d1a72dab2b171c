"""The images that are made here: what they are made of, and what they are called."""

from pathlib import Path

import pytest

from devcluster import paths
from devcluster.offline import baseimages, debian, nodeimage

pytestmark = pytest.mark.devcluster

ROOT = Path(__file__).parents[3]


def test_wheels_are_pinned_as_in_the_lock() -> None:
    """Two copies of the same hashes, as the tool is installed without the repository, too."""
    lock = (ROOT / "requirements/dev.txt").read_text()
    pinned = [
        line.strip(" \\")
        for line in (paths.DATA / "wheels.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]

    assert len(pinned) > 10
    assert [line for line in pinned if line not in lock] == []


def test_kubeadm_names_are_known_by_their_last_part() -> None:
    listed = """\
W1123 something about the network
registry.k8s.io/kube-apiserver:v1.34.4
registry.k8s.io/coredns/coredns:v1.12.1
registry.k8s.io/pause:3.10.1
registry.k8s.io/etcd:3.6.5-0
"""

    names = nodeimage.kubeadm_names(listed)

    assert names == {
        "kube-apiserver": "registry.k8s.io/kube-apiserver:v1.34.4",
        "coredns": "registry.k8s.io/coredns/coredns:v1.12.1",
        "pause": "registry.k8s.io/pause:3.10.1",
        "etcd": "registry.k8s.io/etcd:3.6.5-0",
    }


@pytest.mark.parametrize(
    ("archive", "expected"),
    [
        ("tini_0.19.0-1+b3_amd64.deb", ("tini", "0.19.0-1+b3")),
        ("libdevmapper1.02.1_2%3a1.02.185-2_amd64.deb", ("libdevmapper1.02.1", "2:1.02.185-2")),
        ("mmdebstrap_1.3.5-7_all.deb", ("mmdebstrap", "1.3.5-7")),
    ],
)
def test_packages_are_recorded_with_their_versions(archive: str, expected: tuple[str, str]) -> None:
    assert debian.name_and_version(archive) == expected


def test_a_recipe_changes_with_what_goes_into_it(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("one")
    recipe = debian.Recipe("python", ("python3",), "python.sh", {"CA_BUNDLE": bundle})
    first = recipe.digest
    bundle.write_text("another")

    assert recipe.digest != first
    assert debian.Recipe("python", ("python3", "perl"), "python.sh", {}).digest != first


def test_local_images_say_what_they_are() -> None:
    """No image made here may pass for an official one."""
    names = [*baseimages.LOCAL.values(), nodeimage.NAME]

    assert all(name.startswith("localhost/bookstore-") for name in names)
