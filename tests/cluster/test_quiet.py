"""What a release that goes well reports, on a real control plane; what others add to Pods."""

from typing import Any

import pytest

from tests.cluster.conftest import Shop, image
from tests.cluster.test_releases import color_of, result
from tests.support.kube import condition, wait_for
from tests.support.quiet import reports

pytestmark = pytest.mark.cluster


def test_a_good_release_has_no_warning_and_one_event_a_stage(operated: Shop) -> None:
    spec: dict[str, Any] = {
        "replicas": 2,
        "backup": {"schedule": "0 3 1 1 *"},
        "cache": {"embedded": {}},
    }
    operated.apply(**spec)
    operated.ready()
    wait_for(lambda: result(operated, "demo-r1") == "Succeeded", 30, "the first release to end")
    operated.reports("CacheHealthy", "CacheReady")
    with reports(operated.kubectl, "demo") as seen:
        operated.apply(**spec, image=image("2"))
        operated.ready(image=image("2"))
        wait_for(lambda: result(operated, "demo-r2") == "Succeeded", 60, "the release to end")
        seen.assert_quiet()


def test_a_first_install_that_goes_well_has_no_warning(operated: Shop) -> None:
    operated.apply(replicas=2, backup={"schedule": "0 3 1 1 *"}, cache={"embedded": {}})
    operated.ready()
    operated.reports("CacheHealthy", "CacheReady")
    events = operated.list("events.k8s.io/v1/events")
    assert [(e["reason"], e["note"]) for e in events if e["type"] == "Warning"] == []


def test_what_others_add_to_pods_is_named_with_its_field_manager(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    selector = '{"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/os": "linux"}}}}}'
    target = ("deployment", f"demo-{color_of(operated)}")
    by_hand = ("--type=merge", "--field-manager=a-person")
    operated.kubectl("patch", *target, *by_hand, f"-p={selector}")
    added = "spec.template.spec.nodeSelector (by a-person)"
    operated.reports("Ready", "Serving", f"Deployment {target[1]}: {added}")
    gone = selector.replace('"linux"', "null")
    operated.kubectl("patch", *target, *by_hand, f"-p={gone}")
    wait_for(
        lambda: "a-person" not in condition(operated.store(), "Ready")["message"],
        30,
        "it to be forgotten",
    )
