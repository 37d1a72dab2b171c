"""The wheels with the bindings: fetched by pip, checked by hash, read and never installed."""

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Collection
from pathlib import Path

from devcluster import disk, paths
from devcluster.locking import locked

REQUIREMENTS = Path(__file__).parents[1] / "requirements/tofu-schemas.txt"
_PINNED = re.compile(r"^cdktn-provider-(\w+)==(\S+) \\\n\s+--hash=sha256:(\w+)", re.MULTILINE)


def fetch_wheel(provider: str) -> Path:
    """Return the wheel of a provider's bindings, from the cache or by pip."""
    pins = {name: (version, digest) for name, version, digest in _PINNED.findall(_requirements())}
    if provider not in pins:
        raise LookupError(f"{REQUIREMENTS.name} has no wheel for the provider {provider}.")
    version, digest = pins[provider]
    folder = paths.cache() / "tofu-schemas" / f"{provider}-{version}-{digest[:8]}"
    with locked(f"wheel {provider}"):
        if not folder.is_dir():
            with disk.new_folder(folder) as unfinished:
                _download(provider, version, digest, unfinished)
    return next(folder.glob("*.whl"))


def _requirements() -> str:
    return REQUIREMENTS.read_text()


def _download(provider: str, version: str, digest: str, folder: Path) -> None:
    pinned = folder / "requirements.txt"
    pinned.write_text(f"cdktn-provider-{provider}=={version} --hash=sha256:{digest}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", str(folder)]
    subprocess.run([*pip, *options, "--requirement", str(pinned)], check=True)


def read_bindings(wheel: Path, folders: Collection[str]) -> dict[str, str]:
    """Return the JavaScript of some folders of a wheel: folder → text of all its files."""
    texts: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        content = io.BytesIO(archive.read(name))
    with tarfile.open(fileobj=content, mode="r:gz") as tar:
        for member in tar:
            parts = Path(member.name).parts  # package/lib/FOLDER/…
            wanted = len(parts) > 3 and parts[1] == "lib" and parts[2] in folders
            if wanted and member.name.endswith(".js") and (file := tar.extractfile(member)):
                texts[parts[2]] = texts.get(parts[2], "") + file.read().decode() + "\n"
    return texts
