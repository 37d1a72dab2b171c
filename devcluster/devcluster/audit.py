"""The API server's audit log: who has asked for what."""

import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

POLICY_FILE = "audit-policy.yaml"
LOG_FILE = "logs/audit.log"
FLAGS = (f"--audit-policy-file={POLICY_FILE}", f"--audit-log-path={LOG_FILE}")


class Request(NamedTuple):
    """A request for a resource that the API server has answered."""

    user: str
    verb: str
    group: str
    resource: str
    """With its subresource: `deployments/scale`."""
    allowed: bool
    code: int


def policy(users: Collection[str] = ()) -> str:
    """Return the policy by which each request is written down once, without its content.

    With `users`, only theirs are.
    """
    chosen = {"users": [*users]} if users else {}
    content = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", **chosen}, {"level": "None"}],
    }
    return json.dumps(content)


def requests(log: Path) -> Iterator[Request]:
    """Yield the requests in an audit log; the last line may still be being written."""
    with log.open(encoding="utf-8") as lines:
        yield from parse(lines)


def parse(lines: Iterable[str]) -> Iterator[Request]:
    """Yield the requests in lines of an audit log."""
    for line in lines:
        event: dict[str, Any] = json.loads(line) if line.endswith("\n") else {}
        if "objectRef" in event:
            yield _request(event)


def _request(event: dict[str, Any]) -> Request:
    """Return a request from an Event of audit.k8s.io/v1."""
    reference = event["objectRef"]
    subresource = reference.get("subresource")
    decision = (event.get("annotations") or {}).get("authorization.k8s.io/decision")
    return Request(
        user=event["user"]["username"],
        verb=event["verb"],
        group=reference.get("apiGroup", ""),
        resource=reference["resource"] + (f"/{subresource}" if subresource else ""),
        allowed=decision != "forbid",
        code=(event.get("responseStatus") or {}).get("code", 0),
    )
