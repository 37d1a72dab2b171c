"""libpq's service file: named sets of connection parameters, such as a pod mounts.

https://www.postgresql.org/docs/current/libpq-pgservice.html
"""

import os
from collections.abc import Collection
from pathlib import Path


def read_service(name: str, known: Collection[str]) -> dict[str, str]:
    """Return the parameters of a service; raises ValueError, never with a value in it."""
    for path in _service_files():
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            msg = "The service file that the database URI's service needs can't be read."
            raise ValueError(msg) from None
        service = _find(text, name)
        if service is not None:
            for unknown in service.keys() - known:
                msg = f"PostgreSQL does not know the parameter {unknown} of the service file."
                raise ValueError(msg)
            return service
    msg = (
        "No service file has the service of the database URI: mount one, and name it by "
        "PGSERVICEFILE."
    )
    raise ValueError(msg)


def _service_files() -> list[Path]:
    """Return the places that libpq looks at, in its order."""
    own = os.environ.get("PGSERVICEFILE")
    home, system = os.environ.get("HOME"), os.environ.get("PGSYSCONFDIR")
    files = [Path(own)] if own else [Path(home, ".pg_service.conf")] if home else []
    return [*files, Path(system, "pg_service.conf")] if system else files


def _find(text: str, name: str) -> dict[str, str] | None:
    lines = [line.strip() for line in text.splitlines()]
    if f"[{name}]" not in lines:
        return None
    service: dict[str, str] = {}
    for line in lines[lines.index(f"[{name}]") + 1 :]:
        if line.startswith("["):
            break
        if line and not line.startswith("#"):
            key, separator, value = line.partition("=")
            if not separator:
                msg = "A line of the service in the service file is not like name=value."
                raise ValueError(msg)
            service[key.strip()] = value.strip()
    return service
