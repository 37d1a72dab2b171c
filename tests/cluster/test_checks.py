"""The stages that ask images, on a real control plane: what kwok simulates is what they answer."""

import json
from typing import Any

import pytest

from tests.cluster.conftest import INCOMPATIBLE, Shop, image
from tests.cluster.test_releases import result
from tests.support.kube import holds, wait_for
from tests.support.world import CURRENT, Object

pytestmark = pytest.mark.cluster

MESSAGE = "devcluster.dev/termination-message.check-schema"
CONTENT = "devcluster.dev/image-content"


def annotated(key: str, value: str) -> Object:
    """Return the fields of a spec whose Pods have an annotation."""
    return {"podMetadata": {"annotations": {key: value}}}


def record(shop: Shop, release: str, check: str) -> Object:
    status = shop.require("bookstorereleases", release)["status"]
    return next(entry for entry in status["checks"] if entry["name"] == check)


def jobs(shop: Shop, release: str) -> set[str]:
    return {
        job["metadata"]["name"]
        for job in shop.list("batch/v1/jobs", f"bookstore.dev/release={release}")
    }


def ends(shop: Shop, release: str, reason: str, *words: str) -> None:
    """Wait until a release has failed for a reason, while the first one serves."""
    wait_for(lambda: result(shop, release) == "Failed", 60, f"{release} to fail")
    shop.reports("Stalled", reason, *words)
    assert holds(shop.store(), "Available")
    assert shop.serving() == image("1")
    assert not shop.replicas("demo-green")


def test_answers_are_recorded_and_a_release_of_the_same_image_asks_nothing(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    assert record(operated, "demo-r1", "validate")["data"]["connectionsPerPod"] == 6
    assert record(operated, "demo-r1", "validate")["imageID"]
    operated.apply(replicas=1, config={"logLevel": "debug"})
    wait_for(lambda: result(operated, "demo-r2") in {"Promoted", "Succeeded"}, 60, "the release")
    assert jobs(operated, "demo-r2") == {"demo-r2-smoke"}  # settings decide whether it works
    budget = operated.require("bookstorereleases", "demo-r2")["status"]["connectionBudget"]
    assert budget["result"] == "Fits"
    assert record(operated, "demo-r2", "validate")["reusedFrom"] == "demo-r1"
    operated.apply(replicas=1, config={"logLevel": "debug"}, **annotated("example.com/note", "new"))
    wait_for(lambda: result(operated, "demo-r3") in {"Promoted", "Succeeded"}, 60, "the release")
    assert jobs(operated, "demo-r3") == set()
    assert record(operated, "demo-r3", "validate")["reusedFrom"] == "demo-r1"
    assert record(operated, "demo-r3", "smoke")["reusedFrom"] == "demo-r2"


def test_a_bad_image_is_named_and_a_corrected_one_is_released_at_once(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    operated.apply(replicas=1, image=image("2-check-unpullable"))
    operated.reports("Ready", "ImagePullFailed", image("2-check-unpullable"), "spec.image")
    assert jobs(operated, "demo-r2") == {"demo-r2-validate"}
    assert not operated.get("apps/v1/deployments", "demo-green")
    operated.apply(replicas=1, image=image("3"))
    operated.ready(image=image("3"))
    wait_for(lambda: jobs(operated, "demo-r2") == set(), 30, "the Job of the bad image to be gone")
    assert result(operated, "demo-r2") == "Superseded"


def test_a_bad_image_that_is_set_back_leaves_nothing(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    operated.apply(replicas=1, image=image("2-check-unpullable"))
    operated.reports("Ready", "ImagePullFailed")
    operated.apply(replicas=1)
    operated.ready(image=image("1"))
    wait_for(lambda: jobs(operated, "demo-r2") == set(), 30, "the Job to be deleted")
    wait_for(
        lambda: (
            not operated.list(
                "v1/pods", "app.kubernetes.io/component=check,bookstore.dev/release=demo-r2"
            )
        ),
        30,
        "its Pod to be deleted",
    )


def test_an_image_that_rejects_a_setting_fails_before_anything_is_changed(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    operated.apply(replicas=1, image=image("2-check-fail"))
    ends(operated, "demo-r2", "ContractNotKept", "A setting is malformed", image("2-check-fail"))
    assert jobs(operated, "demo-r2") == {"demo-r2-validate"}


def test_a_schema_that_the_serving_code_can_not_work_with_goes_no_further(operated: Shop) -> None:
    old = annotated(MESSAGE, json.dumps({**INCOMPATIBLE, "code": "current"}))
    operated.apply(replicas=1, **old)
    operated.ready()
    broken = annotated(MESSAGE, json.dumps(INCOMPATIBLE))
    operated.apply(replicas=1, image=image("2"), **broken)
    operated.ready(image=image("2"))
    operated.apply(replicas=1, image=image("3"))
    wait_for(lambda: result(operated, "demo-r3") == "Failed", 60, "the release to fail")
    operated.reports("Stalled", "SchemaIncompatible", image("2"), "No table books")
    assert holds(operated.store(), "Available")
    assert operated.serving() == image("2")
    assert jobs(operated, "demo-r3") == {"demo-r3-validate", "demo-r3-expand", "demo-r3-compatible"}


def test_colors_that_do_not_fit_into_the_database_are_not_started(operated: Shop) -> None:
    shares: dict[str, Any] = {**CURRENT["connections"], "role": {"limit": 20, "heldByOthers": 3}}
    answer = annotated(MESSAGE, json.dumps({**CURRENT, "connections": shares}))
    operated.apply(replicas=2, **answer)
    operated.ready()
    operated.apply(replicas=2, image=image("2"))
    ends(operated, "demo-r2", "ConnectionBudgetExceeded", "the role allows 20", "12 too many")


def test_a_tag_that_was_pushed_again_is_found(operated: Shop) -> None:
    operated.apply(replicas=2)
    operated.ready()
    operated.apply(replicas=2, image=image("2-pod-repushed"))
    ends(operated, "demo-r2", "ImageChanged", image("2-pod-repushed"), "Use a digest")


def test_the_same_tag_with_another_content_is_found(operated: Shop) -> None:
    """Nothing was validated for this release: its Pods must run what serves."""
    operated.apply(replicas=1)
    operated.ready()
    operated.apply(replicas=1, **annotated(CONTENT, "2"))
    ends(operated, "demo-r2", "ImageChanged", image("1"), "was validated")


def test_a_check_whose_job_is_deleted_is_made_again(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    operated.apply(replicas=1, image=image("2-check-hang"))
    wait_for(lambda: "demo-r2-validate" in jobs(operated, "demo-r2"), 30, "the check")
    operated.reports("Ready", "Validating")
    operated.kubectl("delete", "job", "demo-r2-validate", "--wait=false")
    operated.reports("Ready", "CheckRetry", "deleted before its result was read")
    wait_for(lambda: jobs(operated, "demo-r2") == {"demo-r2-validate-2"}, 30, "the second attempt")
    assert record(operated, "demo-r2", "validate")["attempt"] == 2
