"""What the commands show follows from the operator's own lists: stages, gates, reasons, fields."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bookstore_operator.core.plan import ObjectRef
from bookstore_operator.core.reasons import WARNING_REASONS
from bookstore_operator.core.snapshot import Rejection
from bookstore_operator.crd import stages
from bookstore_operator.crd.intent import EFFECTS, Effect
from bookstore_operator.crd.stages import STAGES, Stage, find_stage
from bookstore_operator.decide import decide
from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.cluster.observe import observe
from kubectl_bookstore.errors import PluginError
from kubectl_bookstore.views import planning, status
from kubectl_bookstore.views.advice import all_advice, parse
from kubectl_bookstore.views.diff import before_apply, diff
from kubectl_bookstore.views.evaluate import evaluate_snapshot
from kubectl_bookstore.views.observation import Observation, settings_in_use, settings_of
from kubectl_bookstore.views.outcome import Outcome, outcome_of
from kubectl_bookstore.views.planning import changes_of, effect_of
from kubectl_bookstore.views.status import FAILED, NOT_REACHED, PASSED, WAITING
from kubectl_bookstore.views.why import why_of
from tests.kubectl_bookstore.support import evaluated, observed, planned, seen
from tests.kubectl_bookstore.test_golden import BACKUP, CASES, failed, starting
from tests.operator.test_failures import IN_MEMORY, begin, is_reported, ready
from tests.support.cases.failures import Failure
from tests.support.world import BEGIN, VALKEY, Object, World

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[2]


# status -----------------------------------------------------------------------------------------


def test_stages_are_passed_in_progress_and_not_reached() -> None:
    world = World().settle()
    world.migration = None
    world.change(image="api:2").reach("Expand").steps(2)
    states = [stage.state for stage in seen(world).releases[0].stages]
    before = STAGES.index(find_stage("Expand"))
    assert states == [*[PASSED] * before, WAITING, *[NOT_REACHED] * (len(STAGES) - 1 - before)]


def test_the_stage_that_failed_is_marked() -> None:
    states = [stage.state for stage in seen(failed()).releases[0].stages]
    before = STAGES.index(find_stage("Expand"))
    assert states == [*[PASSED] * before, FAILED, *[NOT_REACHED] * (len(STAGES) - 1 - before)]


def test_gates_are_those_that_the_stage_asked() -> None:
    view = seen(starting())
    gates = {stage.name: [gate.name for gate in stage.gates] for stage in view.releases[0].stages}
    assert gates["Start"] == ["color_available"]
    assert gates["Switch"] == gates["Drain"] == []
    assert view.blocking_gate == "color_available"


def test_a_new_stage_shows_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that this test adds to the list is shown as the others are."""
    world = World().settle().change(image="api:2").reach("Expand")
    longer = (*STAGES, Stage("Celebrate", "everybody has had cake"))
    for module in (stages, status, planning):
        monkeypatch.setattr(module, "STAGES", longer)
    last = seen(world).releases[0].stages[-1]
    assert (last.name, last.sentence, last.state) == (
        *("Celebrate", "everybody has had cake"),
        NOT_REACHED,
    )


def test_a_stage_of_a_newer_operator_is_shown_by_its_name() -> None:
    world = World().settle().change(image="api:2").reach("Start")
    world.release("demo-r2")["stage"] = "Celebrate"
    view = seen(world)
    assert [(stage.name, stage.state) for stage in view.releases[0].stages] == [
        ("Celebrate", WAITING)
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("new", Outcome.IN_PROGRESS),
        ("serving", Outcome.DONE),
        ("starting", Outcome.IN_PROGRESS),
        ("draining", Outcome.DONE),
        ("failed", Outcome.FAILED),
        ("paused", Outcome.WAITING_FOR_PERSON),
    ],
)
def test_the_outcome_tells_scripts_how_it_is(name: str, expected: Outcome) -> None:
    assert seen(CASES[name]()).outcome is expected


def test_a_changed_spec_is_not_done_before_the_operator_has_seen_it() -> None:
    world = World().settle()
    assert seen(world).outcome is Outcome.DONE
    world.change(replicas=3)  # Ready is still True, about the spec before
    assert seen(world).outcome is Outcome.IN_PROGRESS


# why --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", IN_MEMORY.values(), ids=IN_MEMORY)
def test_why_leads_from_every_failure_to_its_cause_and_its_page(case: Failure) -> None:
    world = ready({"rollout": {"progressDeadlineSeconds": 86400}, **case.spec})
    begin(world, case.fault)
    if case.releases:
        world.change(image="api:2")
    world.run_until(lambda w: is_reported(w, case), rounds=100)
    view = seen(world)
    causes = why_of(view, observed(world), all_advice()).causes
    cause = next(cause for cause in causes if cause.reason == case.reason)
    assert case.is_told_by(cause.message, "demo", "api:2", cause=True)
    assert cause.meaning
    assert cause.page.startswith("docs/reference/failures.md#")
    if case.reason in WARNING_REASONS:
        assert cause.todo


def test_why_names_release_stage_gate_and_objects() -> None:
    world = starting()
    why = why_of(seen(world), observed(world), all_advice())
    assert (why.release, why.stage, why.gate) == ("demo-r2", "Start", "color_available")
    assert ("Pod", "demo-green-x") in {(obj.kind, obj.name) for obj in why.causes[0].objects}


def test_why_has_no_cause_when_all_is_well() -> None:
    world = World().settle()
    assert why_of(seen(world), observed(world), all_advice()).causes == []


def test_the_packaged_advice_is_that_of_the_page() -> None:
    page = (ROOT / "docs" / "reference" / "failures.md").read_text("utf-8")
    assert dict(all_advice()) == parse(page), "run make generate"


# plan -------------------------------------------------------------------------------------------


def test_a_plan_shows_each_action_of_each_step_of_a_release() -> None:
    world = World(spec={"image": "api:1", "cache": {"embedded": {}}, "backup": BACKUP})
    for image in ("api:1", "api:2"):
        world.change(image=image)
        for _ in range(60):
            shown = planned(world)
            plan = decide(world.snapshot(), world.now)
            assert [a.message for a in shown.actions] == [a.message for a in plan.actions]
            assert all(a.diff or a.verb == "delete" for a in shown.actions), shown.actions
            if not world.step():
                break
    assert planned(world).actions == []


def test_a_plan_for_a_new_image_begins_a_release_with_all_stages() -> None:
    world = World().settle().change(image="api:2")
    view = planned(world)
    (created,) = [action for action in view.actions if action.verb == "create"]
    assert (created.kind, created.name) == ("BookStoreRelease", "demo-r2")
    assert any("image: api:2" in line for line in created.diff)
    assert [stage.name for stage in view.stages_ahead] == [stage.name for stage in STAGES]


def test_a_plan_never_shows_a_value_of_a_secret() -> None:
    view = planned(World(spec={"image": "api:1", "cache": {"embedded": {}}}))
    created = [action for action in view.actions if action.reason == "Create"]
    secrets = [action for action in created if action.kind == "Secret"]
    assert {action.name for action in secrets} == {
        "demo-db",
        "demo-staff",
        "demo-signing-keys",
        "demo-cache",
    }
    for action in secrets:
        content = yaml.safe_load("\n".join(line[1:] for line in action.diff[1:]))
        values = [*content["data"].values(), *content.get("stringData", {}).values()]
        assert set(values) == {"<hidden>"}


def test_a_plan_shows_a_scaling_as_one_line_changed() -> None:
    world = World().settle().change(replicas=5)
    (scaled,) = [action for action in planned(world).actions if action.verb == "scale"]
    assert [line for line in scaled.diff if line[0] in "+-"] == ["-replicas: 2", "+replicas: 5"]


def test_a_removed_field_shows_as_removed() -> None:
    world = World().settle()
    service = world.get("Service", "demo")
    service["metadata"]["annotations"]["added-once"] = "by us"
    service["metadata"]["annotations"]["bookstore.dev/applied"] = "before"
    service["spec"]["externalName"] = "of somebody else"
    owned: Object = {"f:metadata": {"f:annotations": {"f:added-once": {}}}}
    service["metadata"]["managedFields"] = [
        {"manager": "bookstore-operator", "operation": "Apply", "fieldsV1": owned}
    ]
    (action,) = [a for a in planned(world).actions if a.name == "demo" and a.kind == "Service"]
    changed = [line for line in action.diff if line[0] in "+-"]
    assert "-    added-once: by us" in changed
    assert not any("externalName" in line for line in changed)


def test_the_order_of_keys_in_a_list_is_no_change() -> None:
    """The API server returns maps sorted; items without a key of their own are compared whole."""
    desired = {"terms": [{"weight": 100, "term": {"topologyKey": "zone", "labels": [{"b": 1}]}}]}
    observed = {"terms": [{"term": {"labels": [{"b": 1}], "topologyKey": "zone"}, "weight": 100}]}
    metadata: Object = {"metadata": {}}
    assert diff(before_apply(desired, observed | metadata), desired) == []
    observed["terms"][0]["weight"] = 1
    changed = diff(before_apply(desired, observed | metadata), desired)
    assert [line for line in changed if line[0] in "+-"] == ["-- weight: 1", "+- weight: 100"]
    observed = {"terms": [*desired["terms"], {"weight": 7}]}
    changed = diff(before_apply(desired, observed | metadata), desired)
    assert [line for line in changed if line[0] in "+-"] == ["-- weight: 7"]


@pytest.mark.parametrize(("path", "effect"), EFFECTS.items())
def test_every_field_has_the_effect_of_the_operators_table(path: str, effect: Effect) -> None:
    assert effect_of(f"{path}.anyField") in {effect, effect_of(path)}
    assert effect_of(path) is effect


def test_changed_fields_are_listed_with_what_they_do() -> None:
    before = {"image": "api:1", "replicas": 2, "rollout": {"historyLimit": 10}}
    after = {"image": "api:2", "rollout": {"historyLimit": 10, "scaleDownDelaySeconds": 0}}
    changes = [(c.path, c.before, c.after, c.effect) for c in changes_of(before, after)]
    assert changes == [
        ("image", "api:1", "api:2", Effect.RELEASE.value),
        ("rollout.scaleDownDelaySeconds", None, 0, Effect.NEITHER.value),
        ("replicas", 2, None, Effect.IN_PLACE.value),
    ]


def test_a_plan_names_what_only_the_operator_knows() -> None:
    world = World().settle()
    target = ObjectRef("v1", "Service", "demo-db")
    world.rejection = Rejection(target, "Forbidden", "no more Services here")
    world.run_until(lambda w: w.condition("Ready")[1] == "ApplyRejected")
    world.rejection = None  # the plugin does not see it
    assert any("no more Services here" in note for note in planned(world).notes)


def test_a_plan_of_a_healthy_bookstore_has_no_note() -> None:
    assert planned(World().settle()).notes == []


# The operator's settings ------------------------------------------------------------------------


def operator(*arguments: str, **variables: str) -> dict[str, Any]:
    env = [{"name": name, "value": value} for name, value in variables.items()]
    container = {"name": "operator", "args": ["run", *arguments], "env": env}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


def test_settings_are_those_of_the_operators_deployment() -> None:
    by_variable = operator(BOOKSTORE_OPERATOR_POSTGRES_IMAGE="pg:1")
    by_flags = operator("--postgres-image=pg:2", "--valkey-image", "v:2")
    assert settings_of([]) is None
    assert settings_of([by_variable, by_flags]) is None
    read = settings_of([by_variable])
    assert read is not None
    assert read.postgres_image == "pg:1"
    read = settings_of([by_flags])
    assert read is not None
    assert (read.postgres_image, read.valkey_image) == ("pg:2", "v:2")
    assert read.backup_images == {18: "localhost/bookstore-backup:dev"}
    read = settings_of([operator("--backup-image=2=b:2", "--backup-image", "3=b:3")])
    assert read is not None
    assert read.backup_images == {2: "b:2", 3: "b:3"}
    read = settings_of([operator(BOOKSTORE_OPERATOR_BACKUP_IMAGE="17=b:17,b:18")])
    assert read is not None
    assert read.backup_images == {17: "b:17", 18: "b:18"}


def test_settings_are_else_those_in_use() -> None:
    backup = {"schedule": "@daily"}
    world = World(spec={"image": "api:1", "cache": {"embedded": {}}, "backup": backup}).settle()
    in_use = settings_in_use(world.snapshot())
    assert in_use.valkey_image == VALKEY
    assert in_use.backup_images == world.snapshot().settings.backup_images


def test_a_spec_of_another_version_is_told_with_the_operators_report() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "SpecInvalid", "message": "Too new."}
    store = {
        "metadata": {"name": "demo"},
        "spec": {"image": "api:1", "replicas": "many"},
        "status": {"conditions": [ready]},
    }
    with pytest.raises(PluginError, match="replicas") as caught:
        observe(Kubectl(), store, BEGIN)
    assert "The operator reports SpecInvalid: Too new." in str(caught.value)


# What others may do to it -----------------------------------------------------------------------


def test_a_view_is_data_that_json_can_hold() -> None:
    for make in CASES.values():
        world = make()
        json.dumps(seen(world).manifest())
        json.dumps(planned(world).manifest())


def test_a_deleted_bookstore_is_terminating() -> None:
    world = World().settle()
    snapshot = world.snapshot()
    metadata = snapshot.store.metadata.model_copy(update={"deletion_timestamp": world.now})
    gone = replace(snapshot, store=snapshot.store.model_copy(update={"metadata": metadata}))
    evaluation = evaluate_snapshot(gone, world.now)
    assert outcome_of(gone, evaluation) is Outcome.TERMINATING
    assert status.view_of(Observation(gone, world.store), evaluation).reason == "Terminating"


def test_passed_gates_are_shown_too() -> None:
    world = World().settle().change(image="api:2").reach("Drain")
    stage = next(s for s in seen(world).releases[0].stages if s.name == "Drain")
    assert PASSED in {gate.state for gate in stage.gates}
    assert evaluated(world).problem == ""
