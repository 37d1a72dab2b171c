"""Text from outside always fits, whatever its length and content."""

import json
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_operator.core.contract import read_outcome
from bookstore_operator.core.plan import Event, EventType, ObjectRef
from bookstore_operator.core.records import update_status
from bookstore_operator.crd.status import Condition, ConditionStatus
from bookstore_operator.crd.text import MESSAGE_LENGTH, NOTE_BYTES, fit, fit_bytes
from bookstore_operator.kube.events import event_manifest
from bookstore_operator.kube.object_cache import StoreKey
from tests.support.world import World

pytestmark = pytest.mark.scenario

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20).map(lambda text: text * 400)
"""Lone surrogates and NUL too: JSON in a termination message can have them."""


@given(ANY_TEXT, st.integers(1, 5000))
def test_fitted_text_is_valid_and_short(text: str, length: int) -> None:
    fitted = fit(text, length)
    assert len(fitted) <= length
    assert "\0" not in fitted
    fitted.encode()
    hidden = [c for c in fitted if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert not hidden, "no escape sequence reaches a terminal"
    if len(text) <= length and text.isascii() and text.isprintable():
        assert fitted == text


def test_terminal_sequences_and_reordered_text_are_made_visible() -> None:
    assert fit("\x1b[2Ja\x9bb\u202ec\n\td") == "\ufffd[2Ja\ufffdb\ufffdc\n\td"
    assert fit("Zażółć 書店 🙂 שלום") == "Zażółć 書店 🙂 שלום"


@given(ANY_TEXT)
def test_a_condition_a_record_and_an_event_take_any_text(text: str) -> None:
    condition = Condition(
        type="Ready",
        status=ConditionStatus.FALSE,
        reason="Any",
        message=text,
        last_transition_time=NOW,
    )
    assert len(condition.message) <= MESSAGE_LENGTH
    key = ObjectRef("bookstore.dev/v1alpha1", "BookStore", "demo")
    event = Event(key, EventType.WARNING, "Any", text)
    regarding = {"metadata": {"uid": "u"}}
    manifest = event_manifest(event, regarding, StoreKey("shop", "demo"), NOW, "operator")
    assert len(manifest["note"].encode()) <= NOTE_BYTES
    assert manifest["note"] == fit_bytes(text)
    for written in (condition.manifest(), manifest):
        json.dumps(written, ensure_ascii=False).encode()


def test_a_record_takes_any_text() -> None:
    world = World().reach("Start", "demo-r1")
    snapshot = world.snapshot()
    updated = update_status(snapshot, snapshot.releases[0], message="\ud800" + "x" * 10_000)
    message = updated.releases[0].status.message
    assert len(message) == MESSAGE_LENGTH
    message.encode()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"schemaAfter": 5}, ()),
        ({"schemaAfter": "0001"}, ()),
        ({"schemaAfter": ["0001", 2, None]}, ("0001", "2", "None")),
        (
            {"code": ["x"], "message": {"a": 1}, "schemaAfter": ["\ud800" * 500]},
            ("\ufffd" * 99 + "…",),
        ),
    ],
)
def test_a_termination_message_of_any_image_is_read(
    data: dict[str, object], expected: tuple[str, ...]
) -> None:
    outcome = read_outcome(data)
    assert outcome.schema_after == expected
    outcome.message.encode()
