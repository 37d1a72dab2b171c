"""A folder that OpenTofu takes providers from, in which each knows its schema and no cloud."""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from devcluster import binaries, releases
from tofu_schemas.model.binding import Binding, BindingError
from tofu_schemas.model.configuration import UsedType, required_providers, used_types
from tofu_schemas.wheels import fetch_wheel, read_bindings

HOST = "registry.opentofu.org"
_VERSION = re.compile(r"providerVersion: ['\"]([\d.]+)['\"]")


class UnknownTypeError(Exception):
    """A configuration uses a type that its provider does not have."""


def write_mirror(mirror: Path, configurations: Iterable[Path]) -> Path:
    """Write a mirror for some folders of `.tf` files; return the settings file that names it.

    Raises UnknownTypeError and BindingError.
    """
    texts = [file.read_text() for folder in configurations for file in sorted(folder.glob("*.tf"))]
    types = used_types(texts)
    for provider in sorted(required_providers(texts)):
        _write_provider(mirror, provider, {used for used in types if used.provider == provider})
    settings = mirror / "tofu.rc"
    settings.write_text(
        "provider_installation {\n"
        f'  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n'
        "}\ndisable_checkpoint = true\n"
    )
    return settings


def _write_provider(mirror: Path, provider: str, types: set[UsedType]) -> None:
    folders = {folder for used in types for folder in used.folders}
    bindings = read_bindings(fetch_wheel(provider), folders | {"provider"})
    version = _VERSION.search(bindings["provider"])
    if version is None:
        raise BindingError(f"The bindings of {provider} don't name the provider's version.")
    schemas = {f"{HOST}/hashicorp/{provider}": provider_schemas(bindings, types)}
    folder = mirror / HOST / "hashicorp" / provider / version[1] / "_".join(releases.system())
    folder.mkdir(parents=True, exist_ok=True)
    content = {"format_version": "1.0", "provider_schemas": schemas}
    (folder / "schema.json").write_text(json.dumps(content))
    program = binaries.ensure(["terraform-provider-schema"])["terraform-provider-schema"]
    target = folder / f"terraform-provider-{provider}_v{version[1]}"
    target.unlink(missing_ok=True)
    # A link, so that the program runs from the folder of its schema; a copy on another disk.
    try:
        os.link(program, target)
    except OSError:
        target.write_bytes(program.read_bytes())
        target.chmod(0o755)


def provider_schemas(bindings: dict[str, str], types: set[UsedType]) -> dict[str, Any]:
    """Return the schemas of a provider and of some of its types, from their bindings."""
    found = {used: next(filter(bindings.get, used.folders), "") for used in types}
    if unknown := sorted(used.name for used, folder in found.items() if not folder):
        raise UnknownTypeError(f"No such type: {', '.join(unknown)}.")
    schemas: dict[str, Any] = {"resource_schemas": {}, "data_source_schemas": {}}
    schemas["provider"] = Binding(bindings["provider"]).provider_schema()
    for used in sorted(types):
        kind = "data_source_schemas" if used.is_data else "resource_schemas"
        try:
            schemas[kind][used.name] = Binding(bindings[found[used]]).schema()
        except BindingError as error:
            raise BindingError(f"{used.name}: {error}") from error
    for attribute in schemas["provider"]["block"]["attributes"].values():
        attribute.pop("computed", None)
    return schemas
