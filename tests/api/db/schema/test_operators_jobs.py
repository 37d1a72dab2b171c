"""The migrations as the operator runs them: its Jobs' arguments, variables and mounted Secret."""

import json
from pathlib import Path
from typing import Any

from bookstore_operator.core import contract
from bookstore_operator.crd.attempts import Branch
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.intent import intent_of
from bookstore_operator.crd.release import BookStoreRelease, Color
from bookstore_operator.releases.manifests import migration_job
from bookstore_operator.releases.manifests import release as new_release
from tests.support.bookstore import environment, run_command
from tests.support.postgres import OwnPostgres

STORE = BookStore.model_validate(
    {"metadata": {"name": "demo", "namespace": "shop"}, "spec": {"image": "api:1"}}
)
RELEASE = BookStoreRelease.model_validate(
    new_release(STORE, 1, 1, Color.BLUE, intent_of(STORE.spec))
)


def run_job(branch: Branch, uri: str, folder: Path) -> dict[str, Any]:
    """Run what the operator's Job runs; returns the termination message."""
    job = migration_job(STORE, RELEASE, 1, branch)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    secrets, log = folder / "secrets", folder / "termination-log"
    secret = secrets / contract.DATABASE_FOLDER / contract.URI_FILE
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text(uri, encoding="utf-8")
    env = environment(None, folder)
    env |= {item["name"]: item["value"] for item in container["env"] if "value" in item}
    env |= {"BOOKSTORE_SECRETS_DIR": str(secrets), "BOOKSTORE_TERMINATION_LOG": str(log)}
    ended = run_command(*container["args"], env=env, cwd=folder)
    assert ended.code == 0, ended
    outcome: dict[str, Any] = json.loads(log.read_text(encoding="utf-8"))
    return outcome


def test_the_contract_follows_expand_and_reaches_the_heads_that_the_image_names(
    private_postgres: OwnPostgres, tmp_path: Path
) -> None:
    uri = private_postgres.create_database()
    described = run_command("contract", env=environment(None, tmp_path), cwd=tmp_path).outcome
    heads = contract.read_outcome(described).answer.heads
    assert heads is not None
    assert heads.contract, "this image has a contract branch"

    expanded = contract.read_outcome(run_job(Branch.EXPAND, uri, tmp_path))
    assert expanded.code == "migrated"
    assert {*heads.expand} <= {*expanded.schema_after}
    assert not {*heads.contract} & {*expanded.schema_after}, "expand contracts nothing"

    contracted = contract.read_outcome(run_job(Branch.CONTRACT, uri, tmp_path))
    assert contracted.code == "migrated"
    assert contracted.schema_before == expanded.schema_after
    assert {*heads.contract} <= {*contracted.schema_after}
    again = contract.read_outcome(run_job(Branch.CONTRACT, uri, tmp_path))
    assert again.code == "nothing-to-do"
    assert again.schema_before == again.schema_after == contracted.schema_after
    assert contract.read_outcome(run_job(Branch.EXPAND, uri, tmp_path)).code == "nothing-to-do"
