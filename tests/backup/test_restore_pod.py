"""The command of the operator's restore Pod, as it is, against a real server and a real volume."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bookstore_backup.model.manifest import Manifest
from tests.backup.support import ROWS, STORE
from tests.support.postgres import OwnPostgres, query
from tests.support.world import World


def restore_pod() -> dict[str, Any]:
    """Return the Pod that the operator makes for a backup on a claim of another BookStore."""
    source = {"store": STORE, "target": {"claimName": "old"}}
    world = World(spec={"image": "api:1"}).settle().create_restore(source=source).settle()
    pod: dict[str, Any] = world.get("Job", "monday-restore")["spec"]["template"]["spec"]
    return pod


def test_the_command_of_the_pod_restores_into_a_real_database(
    backup: Manifest, volume: Path, empty: str, server: OwnPostgres, tmp_path: Path
) -> None:
    container = restore_pod()["containers"][0]
    folders = {"/backup": volume, "/run/secrets/database": tmp_path / "secret"}
    assert folders.keys() <= {mount["mountPath"] for mount in container["volumeMounts"]}
    folders["/run/secrets/database"].mkdir()
    (tmp_path / "secret" / "uri").write_text(empty)
    (tool,) = container["command"]
    command = [str(Path(sys.executable).parent / tool), *container["args"]]
    for mounted, folder in folders.items():
        command = [word.replace(mounted, str(folder)) for word in command]
    told = {variable["name"]: variable["value"] for variable in container["env"]}
    assert told == {"BOOKSTORE_TERMINATION_LOG": "/dev/termination-log"}
    log = tmp_path / "termination"
    path = f"{server.binaries}{os.pathsep}{os.environ['PATH']}"  # as in the image
    env = {"PATH": path, "BOOKSTORE_TERMINATION_LOG": str(log), "TMPDIR": str(tmp_path)}
    subprocess.run(command, env=env, check=True, timeout=60)
    result = json.loads(log.read_text())
    assert (result["code"], result["name"], result["rows"]) == ("done", backup.name, ROWS)
    assert result["schemaRevisions"] == ["0003_contract", "0007_expand"]
    assert query(empty, "SELECT count(*) FROM books") == [(800,)]
