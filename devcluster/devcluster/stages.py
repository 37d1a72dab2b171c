"""How the simulated Pods behave, as stages for kwok.

A Pod's behavior is, in this order: its annotation `devcluster.dev/pod`, its label of that name,
or the end of its image's tag: `-check-<behavior>` for Pods whose label
`app.kubernetes.io/component` is `check`, `-job-<behavior>` for other Pods of Jobs, and
`-pod-<behavior>` for all others.

    (none)      starts and is Ready at once; the Pod of a Job then completes
    unready     runs, and is never Ready
    crash       CrashLoopBackOff
    unpullable  ImagePullBackOff
    fail        the Pod of a Job fails with exit code 1
    slow        the Pod of a Job completes after 5 s, or annotation `devcluster.dev/after`: "30s"
    hang        the Pod of a Job runs and never ends
    pending     stays as the scheduler left it
    repushed    as (none), but each Pod has another image: its tag was pushed again in between

When its containers end, their termination message is the annotation
`devcluster.dev/termination-message.<first argument>` or `devcluster.dev/termination-message`, or
what `Messages` has for the container's arguments. The ID of an image is a hash of its name without
the registry, so that a mirror has the same content, and of the annotation
`devcluster.dev/image-content`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_Stage = dict[str, Any]

_BEHAVIOR = (
    '(if .metadata.labels["app.kubernetes.io/component"] == "check" then "check"'
    ' elif any(.metadata.ownerReferences[]?; .kind == "Job") then "job" else "pod" end) as $kind'
    ' | .metadata.annotations["devcluster.dev/pod"]'
    ' // .metadata.labels["devcluster.dev/pod"]'
    ' // (.spec.containers[0].image | capture("-" + $kind + "-(?<word>[a-z]+)$").word)'
    ' // "default"'
)
_NOT_STARTING = ("unready", "crash", "unpullable", "pending")
_NOT_COMPLETING = ("fail", "slow", "hang")

_IS_JOB = {"key": ".metadata.ownerReferences[]?.kind", "operator": "In", "values": ["Job"]}
_IS_RUNNING = {"key": ".status.phase", "operator": "In", "values": ["Running"]}
_IS_NEW = {"key": ".status.startTime", "operator": "DoesNotExist"}
_IS_KEPT = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}

_ADDRESS = """
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ PodIPWith .spec.nodeName (or .spec.hostNetwork false) (or .metadata.uid "")
          (or .metadata.name "") (or .metadata.namespace "") | Quote }}
"""


@dataclass(frozen=True)
class Messages:
    """What a container writes as its termination message, by its arguments.

    It is for containers whose arguments, joined by spaces, begin with `arguments`.
    """

    arguments: str
    success: str
    failure: str


def render(messages: Iterable[Messages] = ()) -> str:
    """Return kwok's configuration: one JSON document for each stage, which is YAML as well."""
    return "\n---\n".join(json.dumps(stage, indent=1) for stage in _all(list(messages)))


def _all(messages: Sequence[Messages]) -> list[_Stage]:
    success = _message([(message.arguments, message.success) for message in messages])
    failure = _message([(message.arguments, message.failure) for message in messages])
    return [
        _pod("starts", [_IS_KEPT, _IS_NEW, _not(_NOT_STARTING)], _running(success, ready=True)),
        _pod("stays-unready", [_IS_KEPT, _IS_NEW, _is("unready")], _running(success, ready=False)),
        _pod("crashes", [_IS_KEPT, _IS_NEW, _is("crash")], _crashing(failure)),
        _pod("image-missing", [_IS_KEPT, _IS_NEW, _is("unpullable")], _unpullable()),
        _pod(
            "job-completes",
            [_IS_KEPT, _IS_RUNNING, _IS_JOB, _not(_NOT_COMPLETING)],
            _ended(0, success),
        ),
        _pod(
            "job-completes-later",
            [_IS_KEPT, _IS_RUNNING, _IS_JOB, _is("slow")],
            _ended(0, success),
            delay={
                "durationMilliseconds": 5000,
                "durationFrom": {"expressionFrom": '.metadata.annotations["devcluster.dev/after"]'},
            },
        ),
        _pod("job-fails", [_IS_KEPT, _IS_RUNNING, _IS_JOB, _is("fail")], _ended(1, failure)),
        _stage(
            "pod-deleted", "Pod", [_IS_DELETED], {"finalizers": {"empty": True}, "delete": True}
        ),
        # The Node is Ready from the beginning. Without a stage for it kwok adds its own.
        _stage("node-unchanged", "Node", [_IS_DELETED], {}),
    ]


_IS_DELETED = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}


def _is(behavior: str) -> dict[str, Any]:
    return {"key": _BEHAVIOR, "operator": "In", "values": [behavior]}


def _not(behaviors: Sequence[str]) -> dict[str, Any]:
    return {"key": _BEHAVIOR, "operator": "NotIn", "values": list(behaviors)}


def _pod(
    name: str, conditions: list[dict[str, Any]], status: str, delay: dict[str, Any] | None = None
) -> _Stage:
    then = {"statusTemplate": "{{ $pod := . }}{{ $now := Now }}\n" + status}
    return _stage(f"pod-{name}", "Pod", conditions, then, delay)


def _stage(
    name: str,
    kind: str,
    conditions: list[dict[str, Any]],
    then: dict[str, Any],
    delay: dict[str, Any] | None = None,
) -> _Stage:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": conditions},
            **({"delay": delay} if delay else {}),
            "next": then,
        },
    }


def _running(message: str, *, ready: bool) -> str:
    state = "state: {running: {startedAt: {{ $now | Quote }}}}"
    return (
        "phase: Running\nstartTime: {{ $now | Quote }}\n"
        + _ADDRESS
        + _conditions(ready=ready)
        + _containers(f"ready: {json.dumps(ready)}\nstarted: true\nrestartCount: 0\n{state}")
        + _init_containers(message)
    )


def _crashing(message: str) -> str:
    last = (
        "{exitCode: 1, reason: Error, message: {{ $message | Quote }}, "
        "startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}"
    )
    waiting = '{reason: CrashLoopBackOff, message: "back-off 5m0s restarting failed container"}'
    return (
        "phase: Running\nstartTime: {{ $now | Quote }}\n"
        + _ADDRESS
        + _conditions(ready=False)
        + _containers(
            "ready: false\nstarted: false\nrestartCount: 5\n"
            f"state: {{waiting: {waiting}}}\nlastState: {{terminated: {last}}}",
            message,
        )
    )


def _unpullable() -> str:
    message = '{{ printf "Back-off pulling image %q" .image | Quote }}'
    return (
        "phase: Pending\nstartTime: {{ $now | Quote }}\n"
        + _conditions(ready=False)
        + _containers(
            "ready: false\nstarted: false\nrestartCount: 0\n"
            f"state: {{waiting: {{reason: ImagePullBackOff, message: {message}}}}}",
            image_id='""',
        )
    )


def _ended(code: int, message: str) -> str:
    phase, reason = ("Failed", "Error") if code else ("Succeeded", "Completed")
    terminated = (
        f"{{exitCode: {code}, reason: {reason}, message: {{{{ $message | Quote }}}}, "
        "startedAt: {{ or $pod.status.startTime $now | Quote }}, finishedAt: {{ $now | Quote }}}"
    )
    return (
        f"phase: {phase}\n"
        + _conditions(ready=False, reason="PodFailed" if code else "PodCompleted")
        + _containers(
            f"ready: false\nstarted: false\nrestartCount: 0\nstate: {{terminated: {terminated}}}",
            message,
        )
    )


def _conditions(*, ready: bool, reason: str = "ContainersNotReady") -> str:
    """Return the Pod's conditions, its readiness gates among them."""
    lines = ["conditions:"]
    for name in ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"):
        is_true = ready or not name.endswith("Ready")
        why = "" if is_true else f", reason: {reason}"
        lines.append(_condition(name, is_true) + why + "}")
    gate = _condition("{{ .conditionType | Quote }}", ready) + "}"
    lines += ["{{ range .spec.readinessGates }}", gate, "{{ end }}", ""]
    return "\n".join(lines)


def _condition(name: str, is_true: bool) -> str:
    status = '"True"' if is_true else '"False"'
    return f"- {{type: {name}, status: {status}, lastTransitionTime: {{{{ $now | Quote }}}}"


def _containers(lines: str, message: str = "", image_id: str = "") -> str:
    body = "\n".join(f"  {line}" for line in lines.splitlines())
    return (
        "containerStatuses:\n{{ range .spec.containers }}\n"
        f"{message}- name: {{{{ .name | Quote }}}}\n"
        f"  image: {{{{ .image | Quote }}}}\n  imageID: {image_id or _PULLED}\n"
        f"{body}\n{{{{ end }}}}\n"
    )


_PULLED = (
    '{{ printf "%s@sha256:%s" (regexReplaceAll ":[^:/]*$" .image "") (sha256sum (print'
    ' (base .image) (get (or $pod.metadata.annotations dict) "devcluster.dev/image-content")'
    ' (ternary $pod.metadata.uid "" (hasSuffix "-pod-repushed" .image)))) | Quote }}'
)
"""The ID of a container's image: that of its content."""


def _init_containers(message: str) -> str:
    """Return the statuses of init containers: sidecars run, all others have completed."""
    return "initContainerStatuses:\n{{ range .spec.initContainers }}\n" + message + _INIT_CONTAINER


_INIT_CONTAINER = """- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  started: true
  restartCount: 0
  state:
  {{ if eq (or .restartPolicy "") "Always" }}
    running: {startedAt: {{ $now | Quote }}}
  {{ else }}
    terminated: {exitCode: 0, reason: Completed, message: {{ $message | Quote }},
                 startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}
  {{ end }}
{{ end }}
"""


def _message(by_arguments: Sequence[tuple[str, str]]) -> str:
    """Return template code that sets $message for the container that is `.` there."""
    code = (
        "{{ $annotations := or $pod.metadata.annotations dict }}"
        '{{ $arguments := join " " (or .args list) }}'
        '{{ $own := "devcluster.dev/termination-message" }}'
        '{{ $first := first (splitList " " $arguments) }}'
        '{{ $message := or (get $annotations (print $own "." $first)) (get $annotations $own) }}'
    )
    for arguments, message in by_arguments:
        code += (
            f"{{{{ if and (not $message) (hasPrefix {json.dumps(arguments)} $arguments) }}}}"
            f"{{{{ $message = {json.dumps(message)} }}}}{{{{ end }}}}"
        )
    return code + "\n"
