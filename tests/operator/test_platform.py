"""Cache, staff token, settings and scraping: what each change does, and what goes wrong with it."""

import copy
import json
from typing import Any

import pytest

from bookstore_operator.core.contract import SHORTEST_TOKEN
from bookstore_operator.core.plan import Apply, Create, CreateSecret, EventType, Plan
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.intent import intent_of
from bookstore_operator.decide import decide
from tests.support.world import MIGRATED, VALKEY, World

pytestmark = pytest.mark.scenario

EMBEDDED: dict[str, Any] = {"embedded": {}}
EXTERNAL: dict[str, Any] = {"external": {"secretName": "redis", "key": "url"}}
STAFF = {"secretName": "clerks"}
OWN_SECRETS = ["demo-cache", "demo-db", "demo-signing-keys", "demo-staff"]
CACHE_OBJECTS = ("Deployment", "Service", "NetworkPolicy")


def cached(cache: dict[str, Any] | None = None) -> World:
    """Return a BookStore with a cache that is ready at revision 1."""
    world = World(spec={"image": "api:1", "cache": cache or EMBEDDED})
    world.secrets["redis"] = frozenset({"url"})
    return world.settle()


def pod(world: World, color: str = "blue") -> dict[str, Any]:
    spec: dict[str, Any] = world.get("Deployment", f"demo-{color}")["spec"]["template"]["spec"]
    return spec


def secrets_mounted(world: World, color: str = "blue") -> dict[str, str]:
    """Return the Secrets by the paths of their files in the API's Pods."""
    volumes = {v["name"]: v["secret"] for v in pod(world, color)["volumes"] if "secret" in v}
    mounts = pod(world, color)["containers"][0]["volumeMounts"]
    return {
        f"{mount['mountPath']}/{item['path']}": volumes[mount["name"]]["secretName"]
        for mount in mounts
        if mount["name"] in volumes
        for item in volumes[mount["name"]]["items"]
    }


def created(world: World) -> list[str]:
    """Return the names of created Secrets, one for each creation."""
    return [
        action.manifest["metadata"]["name"]
        for action in world.done
        if isinstance(action, CreateSecret)
    ]


# The cache -------------------------------------------------------------------------------------


def test_an_embedded_cache_is_created_and_mounted() -> None:
    world = cached()
    for kind in CACHE_OBJECTS:
        assert world.has(kind, "demo-cache"), kind
    assert world.secrets["demo-cache"] == {"password", "uri", "valkey.conf"}
    assert secrets_mounted(world) == {
        "/run/secrets/bookstore/database/uri": "demo-db",
        "/run/secrets/bookstore/redis/uri": "demo-cache",
        "/run/secrets/bookstore/staff/token": "demo-staff",
        "/run/secrets/bookstore/signing/keys": "demo-signing-keys",
    }
    assert world.condition("CacheHealthy") == ("True", "CacheReady")
    assert world.condition("Ready") == ("True", "Serving")
    assert decide(world.wait(86400).snapshot(), world.now) == Plan()


def test_an_external_cache_is_mounted_and_nothing_is_created_for_it() -> None:
    world = cached(EXTERNAL)
    assert not any(world.has(kind, "demo-cache") for kind in CACHE_OBJECTS)
    assert "demo-cache" not in world.secrets
    assert secrets_mounted(world)["/run/secrets/bookstore/redis/uri"] == "redis"
    assert world.condition("CacheHealthy") == ("Unknown", "CacheExternal")
    assert world.condition("Ready") == ("True", "Serving")
    assert decide(world.snapshot(), world.now) == Plan()


def test_a_migration_gets_the_database_only() -> None:
    job = cached().get("Job", "demo-r1-expand")
    spec = job["spec"]["template"]["spec"]
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp", "database"]
    mounts = spec["containers"][0]["volumeMounts"]
    assert [mount["name"] for mount in mounts] == ["tmp", "database"]


def test_a_cache_that_is_down_delays_no_release() -> None:
    world = cached()
    world.broken = {VALKEY}
    world.change(image="api:2", replicas=3).settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.condition("CacheHealthy") == ("False", "CacheDown")
    assert world.condition("Stalled")[0] == "False"
    world.broken = set()
    world.settle()
    assert world.condition("CacheHealthy") == ("True", "CacheReady")


def test_a_cache_that_never_started_delays_no_first_release() -> None:
    world = World(spec={"image": "api:1", "cache": EMBEDDED}, broken={VALKEY})
    world.run_until(lambda w: w.condition("Ready") == ("True", "Serving"))
    assert world.condition("CacheHealthy") == ("Unknown", "CacheStarting")
    deadline = world.get("Deployment", "demo-cache")["spec"]["progressDeadlineSeconds"]
    world.wait(deadline).settle()
    assert world.condition("CacheHealthy") == ("False", "CacheDown")
    assert world.condition("Ready") == ("True", "Serving")


def test_each_new_problem_of_the_cache_is_one_event() -> None:
    world = cached()
    world.events.clear()
    waiting = {"reason": "ErrImagePull", "message": "no such image"}
    world.broken = {VALKEY}
    world.settle()
    container = {"name": "valkey", "image": VALKEY, "ready": False, "state": {"waiting": waiting}}
    world.ailing[f"Deployment/{VALKEY}"] = {"phase": "Pending", "containerStatuses": [container]}
    world.settle()
    world.change(replicas=3).settle()
    reasons = [event.reason for event in world.events if event.message.startswith("CacheHealthy")]
    assert reasons == ["CacheDown", "ImagePullFailed"]
    assert {event.type for event in world.events if event.reason in reasons} == {EventType.WARNING}


def test_changes_of_the_cache_follow_those_of_the_release() -> None:
    """A rejected action delays those behind it."""
    plan = World(spec={"image": "api:1", "cache": EMBEDDED}).reconcile()
    names = [
        (type(action), action.manifest["metadata"]["name"])
        for action in plan.actions
        if isinstance(action, Apply | Create | CreateSecret)
    ]
    release = names.index((Create, "demo-r1"))
    assert names.index((CreateSecret, "demo-staff")) < release
    assert release < names.index((CreateSecret, "demo-cache"))
    assert release < names.index((Apply, "demo-cache"), release)


def test_the_size_of_the_cache_is_changed_in_place() -> None:
    world = cached()
    world.change(cache={"embedded": {"resources": {"limits": {"memory": "1Gi"}}}}).settle()
    assert len(world.all("BookStoreRelease")) == 1
    server = world.get("Deployment", "demo-cache")["spec"]["template"]["spec"]["containers"][0]
    assert server["resources"]["limits"] == {"memory": "1Gi"}
    assert server["command"][server["command"].index("--maxmemory") + 1] == str(768 * 2**20)


def test_a_cache_that_is_added_is_a_release_that_mounts_it() -> None:
    world = World().settle()
    assert "/run/secrets/bookstore/redis/uri" not in secrets_mounted(world)
    world.change(cache=EMBEDDED).settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert secrets_mounted(world, "green")["/run/secrets/bookstore/redis/uri"] == "demo-cache"


@pytest.mark.parametrize("instead", [None, EXTERNAL])
def test_a_cache_is_deleted_when_no_serving_release_uses_it(instead: dict[str, Any] | None) -> None:
    world = cached()
    world.change(cache=instead).run_until(lambda w: w.switches == ["demo-r1", "demo-r2"])
    assert world.has("Deployment", "demo-cache"), "the old color is warm and uses it"
    world.settle()
    assert not any(world.has(kind, "demo-cache") for kind in CACHE_OBJECTS)
    assert world.condition("Ready") == ("True", "Serving")
    reason = "CacheExternal" if instead else "NotConfigured"
    assert world.condition("CacheHealthy") == ("Unknown", reason)
    world.change(cache=EMBEDDED).settle()
    assert world.condition("CacheHealthy") == ("True", "CacheReady")
    assert created(world).count("demo-cache") == 1, "its password had stayed"


def test_a_cache_removed_before_its_release_serves_is_deleted_at_once() -> None:
    world = World().settle()
    world.broken = {"api:1"}
    world.change(cache=EMBEDDED).run_until(lambda w: w.has("Deployment", "demo-cache"))
    world.change(cache=None).settle()
    assert not any(world.has(kind, "demo-cache") for kind in CACHE_OBJECTS)


def test_a_lost_cache_password_is_recreated_without_a_release() -> None:
    world = cached()
    del world.secrets["demo-cache"]
    world.settle()
    assert world.secrets["demo-cache"] == {"password", "uri", "valkey.conf"}
    assert len(world.all("BookStoreRelease")) == 1


def test_disabled_network_policies_include_that_of_the_cache() -> None:
    world = cached()
    world.change(networkPolicy={"enabled": False}).settle()
    assert not world.all("NetworkPolicy")
    assert len(world.all("BookStoreRelease")) == 1


# The staff token -------------------------------------------------------------------------------


def test_a_staff_token_is_created_once() -> None:
    world = World().settle()
    assert world.secrets["demo-staff"] == {"token"}
    world.change(image="api:2").settle()
    assert created(world).count("demo-staff") == 1


def test_a_lost_staff_token_is_recreated_without_a_release() -> None:
    world = World().settle()
    del world.secrets["demo-staff"]
    world.settle()
    assert world.secrets["demo-staff"] == {"token"}
    assert world.condition("Ready") == ("True", "Serving")
    assert len(world.all("BookStoreRelease")) == 1


def test_a_staff_token_of_the_spec_is_mounted_and_none_is_created() -> None:
    world = World(spec={"image": "api:1", "staff": {**STAFF, "key": "bearer"}})
    world.secrets["clerks"] = frozenset({"bearer"})
    world.settle()
    assert "demo-staff" not in world.secrets
    assert secrets_mounted(world)["/run/secrets/bookstore/staff/token"] == "clerks"


@pytest.mark.parametrize(
    ("spec", "secret", "key", "reason"),
    [
        ({"database": EXTERNAL}, "redis", "url", "DatabaseSecretMissing"),
        ({"staff": STAFF}, "clerks", "token", "StaffSecretMissing"),
        ({"cache": EXTERNAL}, "redis", "url", "CacheSecretMissing"),
    ],
)
def test_a_release_waits_for_the_secrets_that_its_pods_mount(
    spec: dict[str, Any], secret: str, key: str, reason: str
) -> None:
    world = World(spec={"image": "api:1", **spec})
    world.run_until(lambda w: w.condition("Ready") == ("False", reason))
    assert f"no Secret {secret}" in world.message("Ready")
    assert f"`{key}`" in world.message("Ready")
    assert world.reconcile().requeue_after, "Secrets are not watched"
    assert not world.migrations(), "nothing is changed for a release that could not start"
    world.secrets[secret] = frozenset({key})
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")


def test_a_secret_lost_during_the_migration_costs_start_no_deadline() -> None:
    world = World(spec={"image": "api:1", "staff": STAFF})
    world.secrets["clerks"] = frozenset({"token"})
    world.settle()
    world.migration = None
    world.change(image="api:2").run_until(lambda w: w.has("Job", "demo-r2-expand"))
    del world.secrets["clerks"]
    world.migration = MIGRATED
    world.steps(5)
    deadline = world.store["spec"].get("rollout", {}).get("progressDeadlineSeconds", 600)
    world.wait(deadline - 60).reconcile()
    assert world.condition("Ready") == ("False", "StaffSecretMissing")
    assert world.release("demo-r2")["stage"] == "Expand"
    assert not world.has("Deployment", "demo-green"), "no Pod that could not start"
    world.secrets["clerks"] = frozenset({"token"})
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert world.switches == ["demo-r1", "demo-r2"]


# What a change does ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"rateLimits": {"writes": "5/second"}}},
        {"config": {"docs": False}},
        {"environment": "staging"},
        {"monitoring": {"scrapeAnnotations": False}},
        {"staff": STAFF},
        {"cache": EXTERNAL},
    ],
    ids=str,
)
def test_a_change_of_the_pod_template_is_a_release(change: dict[str, Any]) -> None:
    world = World().settle()
    world.secrets |= {"clerks": frozenset({"token"}), "redis": frozenset({"url"})}
    world.change(**change).settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.condition("Ready") == ("True", "Serving")


def test_scrapers_are_changed_in_place() -> None:
    world = World().settle()
    prometheus = {"app.kubernetes.io/name": "prometheus"}
    world.change(networkPolicy={"monitoring": {"podLabels": prometheus}}).settle()
    assert len(world.all("BookStoreRelease")) == 1
    public, operator, internal = world.get("NetworkPolicy", "demo-api")["spec"]["ingress"]
    assert "from" not in public
    (of_operator,) = operator["from"]
    assert of_operator["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/name": "bookstore-operator"
    }
    assert of_operator["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "bookstore-system"
    }
    assert internal["from"] == [{"podSelector": {"matchLabels": prometheus}}]
    assert [port["port"] for port in internal["ports"]] == [8001]
    world.change(networkPolicy=None).settle()
    assert len(world.get("NetworkPolicy", "demo-api")["spec"]["ingress"]) == 2


def test_no_secret_value_is_in_a_release() -> None:
    world = cached(EXTERNAL)
    specs = [release["spec"] for release in copy.deepcopy(world.all("BookStoreRelease"))]
    world.secrets["redis"] |= {"another"}
    world.settle()
    assert [release["spec"] for release in world.all("BookStoreRelease")] == specs


def test_a_release_of_an_older_operator_stays_active() -> None:
    """An update of the operator releases nothing, and puts nothing into Pods that run."""
    world = World().settle()
    release = world.get("BookStoreRelease", "demo-r1")
    for added in ("staff", "monitoring"):
        del release["spec"]["intent"][added]
    del release["spec"]["intent"]["config"]["rateLimits"]
    template = json.loads(release["spec"]["podTemplate"])
    old = template["spec"]["volumes"] = template["spec"]["volumes"][:2]
    release["spec"]["podTemplate"] = json.dumps(template)
    world.settle()
    assert len(world.all("BookStoreRelease")) == 1
    assert pod(world)["volumes"] == old
    assert world.condition("Ready") == ("True", "Serving")


def test_an_intent_has_the_cache_without_its_size() -> None:
    spec = {"image": "api:1", "cache": {"embedded": {"resources": {"limits": {"memory": "1Gi"}}}}}
    assert intent_of(BookStoreSpec.model_validate(spec))["cache"] == {"embedded": {}}


# Whatever happens in between -------------------------------------------------------------------


def test_deleting_the_bookstore_takes_cache_and_token() -> None:
    world = cached()
    world.delete_store()
    assert not any(world.has(kind, "demo-cache") for kind in CACHE_OBJECTS)
    assert {"demo-cache", "demo-staff"} & world.secrets.keys() == set()
    world.create_store({"image": "api:1", "cache": EMBEDDED})
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("CacheHealthy") == ("True", "CacheReady")


def actions_of(world: World) -> int:
    return len(decide(world.snapshot(), world.now).actions)


@pytest.mark.invariant
def test_a_kill_after_each_action_leads_to_the_same_end() -> None:
    spec = {"image": "api:1", "cache": EMBEDDED}
    undisturbed = World(spec=spec).settle()
    undisturbed.change(image="api:2", cache=None)
    undisturbed.settle()

    most = actions_of(World(spec=spec))
    assert most >= 10, "Secrets, Services, servers, policies and the release"
    for count in range(most + 1):
        world = World(spec=copy.deepcopy(spec))
        for change in ({}, {"image": "api:2", "cache": None}):
            if change:
                world.change(**change)
            for _ in range(12):
                world.reconcile(stop_after=count)
                world.reconcile(stop_after=0)
                world.tick()
            world.settle()
        assert world.objects.keys() == undisturbed.objects.keys(), count
        assert world.secrets == undisturbed.secrets
        assert sorted(created(world)) == OWN_SECRETS
        assert world.switches == ["demo-r1", "demo-r2"]


def test_a_token_that_the_api_would_reject_is_reported_before_the_release() -> None:
    world = World(spec={"image": "api:1", "staff": STAFF})
    world.secrets["clerks"] = frozenset({"token"})
    fault = f"is shorter than {SHORTEST_TOKEN} characters"
    world.malformed["clerks"] = {"token": fault}
    world.run_until(lambda w: w.condition("Ready") == ("False", "StaffSecretMalformed"))
    assert f"In Secret clerks, key `token` {fault}" in world.message("Ready")
    assert "openssl rand" in world.message("Ready")
