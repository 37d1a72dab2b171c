"""Each alert and each reason has its page, and the pages name only what exists."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bookstore_operator.core.reasons import WARNING_REASONS, Reason
from bookstore_operator.crd.schema import crds
from bookstore_operator.crd.stages import STAGES
from bookstore_operator.crd.status import CONDITION_TYPES
from delivery.monitoring.alerts import ALERTS
from delivery.monitoring.objects import groups
from kubectl_bookstore.views.advice import all_advice
from tests.support.promql import VALUES, known, unknown_names

pytestmark = pytest.mark.golden

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/runbooks"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")
SECTIONS = ["What it means", "Look", "Do", "Ends"]
RECORDED = frozenset(
    rule["record"] for group in groups() for rule in group["rules"] if "record" in rule
)
WORDS = {
    *(*Reason, *CONDITION_TYPES, *(stage.name for stage in STAGES)),
    *(alert.name for alert in ALERTS),
}
"""The words in CamelCase that are ours."""
OF_KUBERNETES = {"Retain", "Delete"}


def code(page: Path) -> Iterator[str]:
    """Yield what a page shows as code: between backticks, and each line of a block."""
    text = page.read_text()
    yield from re.findall(r"`([^`\n]+)`", text)
    yield from re.findall(r"^    (\S.*)$", text, re.MULTILINE)


@cache
def fields() -> frozenset[str]:
    """Return the path of every field of our kinds."""
    found: set[str] = set()

    def add(schema: dict[str, Any], path: str) -> None:
        for name, inner in (schema.get("properties") or {}).items():
            found.add(f"{path}{name}")
            add(inner, f"{path}{name}.")
            add(inner.get("items") or {}, f"{path}{name}.")

    for crd in crds():
        add(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")
    return frozenset(found)


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert {alert.runbook for alert in ALERTS} == {str(p.relative_to(ROOT)) for p in PAGES}
    index = (FOLDER / "README.md").read_text()
    assert re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| \S.* \|$", index, re.MULTILINE) == list(
        dict.fromkeys(alert.name for alert in ALERTS)
    )


def test_every_reason_that_needs_attention_has_what_to_do() -> None:
    assert [reason for reason in Reason if reason not in all_advice()] == []
    assert [reason for reason in WARNING_REASONS if not all_advice()[reason].todo] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_a_page_has_its_sections_and_fits_a_screen(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert len(text.splitlines()) <= 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_a_page_names_metrics_that_exist(page: Path) -> None:
    for text in code(page):
        if "kubectl" in text or not re.search(r"\b(bookstore|kubelet|process)_[a-z]", text):
            continue
        placeholders = re.sub(r'="(NAME|NAMESPACE|CLAIM)"', r'="x"', text)
        assert unknown_names(placeholders, RECORDED) == set(), text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_a_page_names_fields_reasons_and_stages_that_exist(page: Path) -> None:
    for text in code(page):
        for field in re.findall(r"^((?:spec|status)\.[A-Za-z.]+)", text):
            assert field in fields(), field
        if re.fullmatch(r"[A-Z][a-z]+[A-Za-z]*", text):
            assert text in WORDS | OF_KUBERNETES, text


def test_what_is_checked_would_be_found() -> None:
    assert "spec.backup.maxAgeSeconds" in fields()
    assert "status.watch" in fields()
    assert "spec.backup.gone" not in fields()
    assert "bookstore_gone" not in known()
    assert VALUES["bookstore_condition.reason"] == set(Reason)
