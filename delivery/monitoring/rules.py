"""What a rule of Prometheus is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

BY_STORE = "namespace, bookstore"
RUNBOOKS = "docs/runbooks"


class Severity(StrEnum):
    """Who is notified, and when."""

    CRITICAL = "critical"
    """Users or data are in danger: a person is called, also at night."""
    WARNING = "warning"
    """A person looks today."""
    INFO = "info"
    """For the next planning."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A query whose result is stored under a name."""

    name: str
    expression: str

    def rule(self) -> dict[str, Any]:
        """Return the rule as Prometheus reads it."""
        return {"record": self.name, "expr": self.expression}


@dataclass(frozen=True, slots=True)
class Alert:
    """A state that a person has to know of."""

    name: str
    severity: Severity
    summary: str
    """What is wrong, without a full stop."""
    expression: str
    lasting: str
    """How long it has to last."""
    of_store: bool = True
    """Whether it is about one BookStore, which its labels name."""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def runbook(self) -> str:
        """The path of the page for whom it calls."""
        return f"{RUNBOOKS}/{self.name}.md"

    def rule(self) -> dict[str, Any]:
        """Return the rule as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": self.lasting,
            "labels": {"severity": self.severity.value, **self.labels},
            "annotations": {
                "summary": f"{self._subject}: {self.summary}.",
                "description": f"{self.summary}. {self._first_look}",
                "runbook": self.runbook,
            },
        }

    @property
    def _subject(self) -> str:
        if self.of_store:
            return "BookStore {{ $labels.namespace }}/{{ $labels.bookstore }}"
        return "BookStore operator in {{ $labels.namespace }}"

    @property
    def _first_look(self) -> str:
        if self.of_store:
            look = "why {{ $labels.bookstore }} --namespace {{ $labels.namespace }}"
            return f"See: kubectl bookstore {look}"
        return "See: kubectl logs --namespace {{ $labels.namespace }} deploy/bookstore-operator"
