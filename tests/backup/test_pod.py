"""The operator's backup Pod for real: its very command line, with what its volumes mount."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]  # it ships no types
import pytest
import trustme

from bookstore_operator.components.backup import tool
from bookstore_operator.components.backup.manifests import backup_cron_job
from bookstore_operator.core.labels import Component
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore
from tests.backup.support import ROWS
from tests.support.postgres import OwnPostgres
from tests.support.versitygw import own_versitygw

Secrets = Mapping[str, Mapping[str, str]]
Run = Callable[[Manifest, Secrets], dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, server: OwnPostgres) -> Run:
    """Run a Pod's container as a kubelet does, in a folder instead of a root file system."""

    def run(pod: Manifest, secrets: Secrets) -> dict[str, Any]:
        (container,) = pod["spec"]["containers"]
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
        for path, volume in mounts.items():
            folder = tmp_path / path.removeprefix("/")
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in _files(volume, secrets).items():
                (folder / name).write_text(text)
        log = tmp_path / "termination"
        env = {item["name"]: item["value"] for item in container["env"]}
        assert env == {"BOOKSTORE_TERMINATION_LOG": tool.TERMINATION_LOG}
        assert container["command"] == [tool.PROGRAM]
        arguments = [_below(tmp_path, mounts, argument) for argument in container["args"]]
        ended = subprocess.run(
            [sys.executable, "-m", "bookstore_backup", *arguments, f"--tools={server.binaries}"],
            env={"BOOKSTORE_TERMINATION_LOG": str(log), "TMPDIR": str(tmp_path / "tmp")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        result: dict[str, Any] = json.loads(log.read_text())
        return result

    return run


def _files(volume: Mapping[str, Any], secrets: Secrets) -> dict[str, str]:
    """Return the files of a mounted Secret: those of its items, or all."""
    if "secret" not in volume:
        return {}
    data, items = secrets[volume["secret"]["secretName"]], volume["secret"].get("items")
    return {i["path"]: data[i["key"]] for i in items} if items else dict(data)


def _below(root: Path, mounts: Mapping[str, Any], argument: str) -> str:
    """Return an argument with the mounted path that it names below the folder."""
    match = re.fullmatch(r"(--[-a-z0-9]+=(?:file://)?)(/.*)", argument)
    if match is None:
        return argument
    option, path = match.groups()
    assert any(path.startswith(mounted) for mounted in mounts), argument
    return f"{option}{root}{path}"


def bookstore(backup: dict[str, Any]) -> BookStore:
    spec = {"image": "api:1", "backup": {"schedule": "@daily", **backup}}
    return BookStore.model_validate(
        {"metadata": {"name": "demo", "namespace": "shop"}, "spec": spec}
    )


def pods(store: BookStore) -> tuple[Manifest, Manifest]:
    """Return the Pod that takes a backup, and one that verifies the newest."""
    backup = store.spec.backup
    assert backup
    cron_job = backup_cron_job(store, backup, "image")
    inputs = (
        tool.store_option("shop", "demo"),
        tool.target_of(store, backup),
        tool.identities_of(backup.encryption),
    )
    verify = tool.tool_pod(
        *(store, "image", ("verify", "latest"), inputs),
        component=Component.BACKUP,
        resources=backup.resources,
    )
    return cron_job["spec"]["jobTemplate"]["spec"]["template"], verify


@pytest.fixture
def keys() -> dict[str, str]:
    identity = pyrage.x25519.Identity.generate()
    return {"recipients": f"{identity.to_public()}\n", "identities": f"{identity}\n"}


def test_its_command_backs_up_to_a_volume_and_keeps_what_it_should(
    run: Run, database: str, tmp_path: Path
) -> None:
    create, verify = pods(bookstore({"keep": 2}))
    secrets = {"demo-db": {"uri": database}}
    results = [run(create, secrets) for _ in range(3)]
    first, *others = (result["backup"]["name"] for result in results)
    assert results[-1]["deleted"] == [first]
    assert results[-1]["backup"]["rows"] == ROWS
    assert {item["name"] for item in results[-1]["backups"]} == set(others)
    assert len(list((tmp_path / "backup/shop.demo").iterdir())) == 2
    assert run(verify, secrets)["backup"]["name"] in others


def test_its_command_backs_up_to_a_bucket_over_tls_encrypted(
    run: Run, database: str, keys: dict[str, str], tmp_path: Path
) -> None:
    ca = trustme.CA()
    issued = ca.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    with own_versitygw(tmp_path, tls=(tmp_path / "cert.pem", tmp_path / "key.pem")) as s3:
        login = s3.write_keys(tmp_path / "keys")
        secrets = {
            "demo-db": {"uri": database},
            "login": {file.name: file.read_text() for file in login.iterdir()},
            "authority": {"ca.crt": ca.cert_pem.bytes().decode()},
            "keys": keys,
        }
        target = {
            "bucket": s3.create_bucket(),
            "prefix": "books/eu",
            "endpoint": s3.endpoint,
            "sha256": True,
            "credentialsSecretName": "login",
            "caSecretName": "authority",
        }
        backup = {"target": {"s3": target}, "encryption": {"secretName": "keys"}}
        create, verify = pods(bookstore(backup))
        assert "identities" not in json.dumps(create), "who takes backups can't read them"
        taken = run(create, secrets)["backup"]
        assert taken["recipients"] == [keys["recipients"].strip()]
        assert run(verify, secrets)["backup"]["name"] == taken["name"]
        stored = [path.name for path in s3.root.rglob("*") if path.is_file()]
        assert {"dump.00001", "manifest.json", "verified.json"} <= set(stored)
