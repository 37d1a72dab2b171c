"""The three clouds, planned and applied by OpenTofu with the providers' real schemas.

No cloud is asked: what is "created" has values that are made up. What these tests can't see is what
a provider's own code checks: names of machine types, combinations of arguments, quotas.
"""

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import CLOUDS, INFRA, SIZES, Tofu, values

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]

Plan = dict[str, Any]
Plans = dict[tuple[str, str], Plan]
HIGHLY_AVAILABLE = ("staging", "production")

DATABASE = {
    "aws": "aws_db_instance",
    "google": "google_sql_database_instance",
    "azure": "azurerm_postgresql_flexible_server",
}
CAPABILITIES = {
    "aws": {
        "kubernetes": "aws_eks_cluster",
        "nodes": "aws_eks_node_group",
        "database": DATABASE["aws"],
        "cache": "aws_elasticache_replication_group",
        "backups": "aws_s3_bucket",
        "workload identity": "aws_iam_openid_connect_provider",
        "registry": "aws_ecr_repository",
        "address": "aws_eip",
        "dns": "aws_route53_record",
        "budget": "aws_budgets_budget",
        "key": "aws_kms_key",
    },
    "google": {
        "kubernetes": "google_container_cluster",
        "nodes": "google_container_node_pool",
        "database": DATABASE["google"],
        "cache": "google_memorystore_instance",
        "backups": "google_storage_bucket",
        "workload identity": "google_service_account_iam_member",
        "registry": "google_artifact_registry_repository",
        "address": "google_compute_address",
        "dns": "google_dns_record_set",
        "budget": "google_billing_budget",
        "key": "google_kms_crypto_key",
    },
    "azure": {
        "kubernetes": "azurerm_kubernetes_cluster",
        "nodes": "azurerm_kubernetes_cluster",  # its default pool
        "database": DATABASE["azure"],
        "cache": "azurerm_managed_redis",
        "backups": "azurerm_storage_container",
        "workload identity": "azurerm_federated_identity_credential",
        "registry": "azurerm_container_registry",
        "address": "azurerm_public_ip",
        "dns": "azurerm_dns_a_record",
        "budget": "azurerm_consumption_budget_resource_group",
        "key": "azurerm_key_vault_key",
    },
}


@pytest.fixture(scope="module")
def tofus(tofu_of: Callable[[str], Tofu]) -> dict[str, Tofu]:
    return {cloud: tofu_of(cloud) for cloud in CLOUDS}


@pytest.fixture(scope="module")
def plans(tofus: dict[str, Tofu]) -> Plans:
    return {(cloud, size): tofus[cloud].plan(size) for cloud in CLOUDS for size in SIZES}


def resources(plan: Plan) -> list[Plan]:
    found: list[Plan] = plan["planned_values"]["root_module"]["resources"]
    return found


def one(plan: Plan, kind: str) -> Plan:
    """Return the values of the only resource of a type."""
    (found,) = (item["values"] for item in resources(plan) if item["type"] == kind)
    return dict(found)


def test_the_files_are_formatted(tofus: dict[str, Tofu]) -> None:
    assert tofus["aws"]("fmt", "-check", "-recursive", str(INFRA)) == ""


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_is_valid_and_its_own_tests_pass(tofus: dict[str, Tofu], cloud: str) -> None:
    assert "configuration is valid" in tofus[cloud]("validate")
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", tofus[cloud]("test"))


def test_every_size_of_every_cloud_has_all_that_a_bookstore_needs(plans: Plans) -> None:
    for (cloud, size), plan in plans.items():
        kinds = Counter(item["type"] for item in resources(plan))
        needed = CAPABILITIES[cloud]
        assert needed.keys() == CAPABILITIES["aws"].keys()
        assert [what for what, kind in needed.items() if not kinds[kind]] == [], (cloud, size)


def test_the_clouds_plan_the_same_outputs(plans: Plans) -> None:
    outputs = [plan["planned_values"]["outputs"] for plan in plans.values()]
    assert all(output.keys() == outputs[0].keys() for output in outputs)
    for output in outputs:
        assert {name for name in output if output[name]["sensitive"]} == {"secrets_manifest"}


def test_databases_are_private_encrypted_and_backed_up(plans: Plans) -> None:
    for (cloud, size), plan in plans.items():
        database, days = (
            one(plan, DATABASE[cloud]),
            plan["variables"]["database"]["value"]["backup_days"],
        )
        standby = size in HIGHLY_AVAILABLE
        if cloud == "aws":
            assert (database["publicly_accessible"], database["storage_encrypted"]) == (False, True)
            assert (database["multi_az"], database["backup_retention_period"]) == (standby, days)
            assert database["skip_final_snapshot"] is False
        elif cloud == "google":
            (settings,) = database["settings"]
            (network,), (backups,) = settings["ip_configuration"], settings["backup_configuration"]
            assert (network["ipv4_enabled"], network["ssl_mode"]) == (False, "ENCRYPTED_ONLY")
            assert backups["point_in_time_recovery_enabled"] is True
            assert backups["backup_retention_settings"][0]["retained_backups"] == days
            assert settings["availability_type"] == ("REGIONAL" if standby else "ZONAL")
        else:
            assert database["public_network_access_enabled"] is False
            assert database["backup_retention_days"] == days
            assert len(database["customer_managed_key"]) == 1
            assert [item["mode"] for item in database["high_availability"]] == (
                ["ZoneRedundant"] if standby else []
            )


def test_protection_from_deletion_follows_the_size(plans: Plans) -> None:
    for (cloud, size), plan in plans.items():
        protected = size in HIGHLY_AVAILABLE
        if cloud == "azure":
            locks = {
                item["index"]
                for item in resources(plan)
                if item["type"] == "azurerm_management_lock"
            }
            assert locks == ({"cluster", "database", "backups"} if protected else set())
        else:
            database = one(plan, DATABASE[cloud])
            cluster = one(plan, CAPABILITIES[cloud]["kubernetes"])
            assert database["deletion_protection"] is cluster["deletion_protection"] is protected


def test_nodes_are_as_many_as_the_size_says(plans: Plans) -> None:
    for (cloud, _), plan in plans.items():
        wanted = plan["variables"]["nodes"]["value"]
        pool = one(plan, CAPABILITIES[cloud]["nodes"])
        if cloud == "aws":
            (scaling,) = pool["scaling_config"]
            numbers = scaling["min_size"], scaling["max_size"]
        elif cloud == "google":
            (scaling,) = pool["autoscaling"]
            numbers = scaling["total_min_node_count"], scaling["total_max_node_count"]
        else:
            (scaling,) = pool["default_node_pool"]
            numbers = scaling["min_count"], scaling["max_count"]
        assert numbers == (wanted["min"], wanted["max"]), cloud


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_apply_gives_the_example_and_a_second_plan_changes_nothing(
    tofu_of: Callable[[str], Tofu], cloud: str
) -> None:
    tofu = tofu_of(cloud)
    tofu("apply", "-auto-approve", "-input=false", *values("small"))
    documents = (
        tofu("output", "-raw", "secrets_manifest"),
        tofu("output", "-raw", "bookstore_manifest"),
    )
    head = (
        f"# What infra/{cloud} gives as secrets_manifest and bookstore_manifest, made-up values:\n"
        "# written by UPDATE_EXAMPLES=1 pytest --nightly tests/infra/test_clouds.py.\n"
    )
    example = INFRA / f"examples/{cloud}.yaml"
    if os.environ.get("UPDATE_EXAMPLES"):
        example.write_text(head + "---\n".join(documents))
    assert example.read_text() == head + "---\n".join(documents)
    tofu("plan", "-detailed-exitcode", "-input=false", *values("small"))
    without_domain = tofu.plan("small", "-var=domain=")
    changed = without_domain["output_changes"]["dns"]["after"]
    assert changed == {"name_servers": [], "zone": ""}


MISTAKES = {
    "a misspelled argument": ("  bucket_prefix = ", "  bucket_prefx = ", "Unsupported argument"),
    "an unknown attribute": (
        "aws_s3_bucket.backups.arn]",
        "aws_s3_bucket.backups.anr]",
        "no argument, nested block, or exported attribute named",
    ),
    "a wrong type": (
        "allocated_storage = var.database.storage_gib",
        'allocated_storage = "much"',
        "a number is required",
    ),
    "a computed value that is set": (
        "  bucket_prefix = ",
        '  arn = "x"\n  bucket_prefix = ',
        "unconfigurable attribute",
    ),
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_planted_mistake_is_found(tofu_of: Callable[[str], Tofu], mistake: str) -> None:
    before, after, message = MISTAKES[mistake]
    tofu = tofu_of("aws")
    (file,) = (
        file for file in sorted(Path(tofu.folder).glob("*.tf")) if before in file.read_text()
    )
    file.write_text(file.read_text().replace(before, after, 1))
    assert message in re.sub(r"\s+", " ", tofu("validate", code=1))
