"""Reach the cluster through kubectl, which has the user's contexts and ways to authenticate."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bookstore_operator.core.kinds import Resource
from kubectl_bookstore.errors import ExitCode, PluginError

REQUEST_SECONDS = 20
_GRACE_SECONDS = 15
"""How much longer than one request a whole kubectl may take: discovery, several lists."""
FIELD_MANAGER = "kubectl-bookstore"


@dataclass(frozen=True, slots=True)
class Connection:
    """kubectl's own options, which are passed on as they are."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None
    impersonate: str | None = None
    groups: tuple[str, ...] = ()
    request_seconds: int = REQUEST_SECONDS

    def arguments(self) -> list[str]:
        """Return the command line arguments."""
        options = {
            "namespace": self.namespace,
            "context": self.context,
            "kubeconfig": self.kubeconfig,
            "as": self.impersonate,
            "request-timeout": f"{self.request_seconds}s",
        }
        given = [f"--{name}={value}" for name, value in options.items() if value]
        return [*given, *(f"--as-group={group}" for group in self.groups)]


class KubectlError(PluginError):
    """kubectl failed."""

    def __init__(
        self, message: str, reason: str, code: ExitCode = ExitCode.ERROR, stdout: str = ""
    ) -> None:
        super().__init__(message, code)
        self.reason = reason
        """NotFound, Forbidden, Conflict and so on, as in the API server's Status."""
        self.stdout = stdout


@dataclass(frozen=True, slots=True)
class _Cause:
    """What kubectl's standard error means."""

    pattern: str
    reason: str
    advice: str
    code: ExitCode = ExitCode.ERROR


_CAUSES = (
    _Cause(
        r"doesn't have a resource type|could not find the requested resource",
        "NoCRD",
        "The CRDs of the BookStore operator are not installed in this cluster, or this is another "
        "cluster than you think (kubectl config current-context). Install them: "
        "kubectl apply --server-side -f manifests/install.yaml.",
        ExitCode.NOT_FOUND,
    ),
    _Cause(
        r"context .*does not exist|context was not found|does not exist in the kubeconfig"
        r"|no context exists",
        "NoContext",
        "See kubectl config get-contexts.",
        ExitCode.USAGE,
    ),
    _Cause(
        r"\(Unauthorized\)|must be logged in|asked for the client to provide credentials",
        "Unauthorized",
        "Log in again; `kubectl auth whoami` shows as whom.",
    ),
    _Cause(
        r"\(Forbidden\)",
        "Forbidden",
        "Ask an administrator for one of the roles in manifests/base/roles-for-people.yaml.",
    ),
    _Cause(r"\(NotFound\)", "NotFound", "", ExitCode.NOT_FOUND),
    _Cause(r"\(Conflict\)|object has been modified|Precondition failed", "Conflict", ""),
    _Cause(r"\(AlreadyExists\)", "AlreadyExists", ""),
    _Cause(
        r"\(Invalid\)|\(BadRequest\)|is invalid|error validating|admission webhook|strict decoding",
        "Invalid",
        "",
        ExitCode.USAGE,
    ),
    _Cause(
        r"[Uu]nable to connect|connection refused|was refused|no such host|i/o timeout"
        r"|deadline exceeded|[Tt]imeout exceeded|handshake timeout|request canceled"
        r"|no route to host|network is unreachable|ServiceUnavailable|\(Timeout\)|x509|EOF",
        "Unreachable",
        "Check that the cluster runs and that the context is the right one "
        "(kubectl config current-context, kubectl cluster-info).",
    ),
)
_NOISE = re.compile(r"^(Warning: |[EWI]\d{4} \d\d:\d\d)")


class Kubectl:
    """Runs kubectl with one Connection. All methods raise KubectlError."""

    def __init__(self, connection: Connection = Connection()) -> None:
        self._connection = connection

    def within(self, namespace: str | None) -> "Kubectl":
        """Return a Kubectl for a namespace, unless the user has chosen one."""
        chosen = self._connection.namespace or namespace
        return Kubectl(replace(self._connection, namespace=chosen))

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run `kubectl ARGUMENTS` and return its standard output."""
        path = shutil.which("kubectl")
        if path is None:
            message = (
                "kubectl is not on PATH, and this plugin reaches the cluster through it. "
                "Install it: https://kubernetes.io/docs/tasks/tools/"
            )
            raise KubectlError(message, "NoKubectl")
        command = [path, *self._connection.arguments(), *arguments]
        terminal = sys.stdin is not None and sys.stdin.isatty()
        source: dict[str, Any] = {"input": stdin}
        if stdin is None:  # a login may ask on a terminal, and only there
            source = {"stdin": None if terminal else subprocess.DEVNULL}
        seconds = self._connection.request_seconds + _GRACE_SECONDS
        try:
            run = subprocess.run(
                command,
                **source,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _timed_out(arguments, seconds, error) from error
        except OSError as error:
            message = f"kubectl ({path}) can't be started: {error.strerror or error}."
            raise KubectlError(message, "NoKubectl") from error
        if run.returncode != 0:
            raise _explain(run.stderr, run.stdout)
        return str(run.stdout)

    def find(self, resource: Resource, name: str) -> dict[str, Any] | None:
        """Read an object; None if there is none of that name."""
        text = self.run("get", kind(resource), name, "--ignore-not-found", *_JSON)
        return _parsed(text) if text.strip() else None

    def list_all(
        self,
        resources: Sequence[Resource],
        *,
        selector: str | None = None,
        fields: str | None = None,
        everywhere: bool = False,
    ) -> list[dict[str, Any]]:
        """List objects of one or more kinds, in one namespace or everywhere."""
        options = [f"--selector={selector}"] if selector else []
        options += [f"--field-selector={fields}"] if fields else []
        options += ["--all-namespaces"] if everywhere else []
        kinds = ",".join(kind(resource) for resource in resources)
        return items_in(self.run("get", kinds, *options, *_JSON))

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects that a `kubectl get` of one's own prints."""
        return items_in(self.run(*arguments, *_JSON))

    def get_named(self, resource: Resource, names: Iterable[str]) -> list[dict[str, Any]]:
        """Read those objects of these names that exist. Needs no right to list."""
        names = sorted(names)
        if not names:
            return []
        return items_in(self.run("get", kind(resource), *names, "--ignore-not-found", *_JSON))

    def patch(
        self, resource: Resource, manifest: Mapping[str, Any], spec: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Change fields of an object's spec, if it is still as it was read."""
        seen = manifest["metadata"]
        patch = {
            "metadata": {"uid": seen["uid"], "resourceVersion": seen["resourceVersion"]},
            "spec": dict(spec),
        }
        options = [
            "--type=merge",
            f"--patch={json.dumps(patch)}",
            f"--field-manager={FIELD_MANAGER}",
        ]
        namespace = [f"--namespace={seen['namespace']}"]
        return _parsed(
            self.run("patch", kind(resource), seen["name"], *namespace, *options, "--output=json")
        )

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object in the namespace; returns it as it is stored."""
        options = ("--filename=-", f"--field-manager={FIELD_MANAGER}", "--output=json")
        return _parsed(self.run("create", *options, stdin=json.dumps(manifest)))

    def annotate(
        self, resource: Resource, manifest: Mapping[str, Any], annotations: Mapping[str, str]
    ) -> dict[str, Any]:
        """Set annotations of an object, if it is still the one that was read."""
        seen = manifest["metadata"]
        patch = {"metadata": {"uid": seen["uid"], "annotations": dict(annotations)}}
        options = ["--type=merge", f"--patch={json.dumps(patch)}"]
        options += [f"--field-manager={FIELD_MANAGER}", f"--namespace={seen['namespace']}"]
        return _parsed(self.run("patch", kind(resource), seen["name"], *options, "--output=json"))

    def delete(self, resource: Resource, manifest: Mapping[str, Any]) -> None:
        """Delete an object, if it is still as it was read; its dependents follow it."""
        seen = manifest["metadata"]
        preconditions = {"uid": seen["uid"], "resourceVersion": seen["resourceVersion"]}
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        }
        path = resource.path(seen["namespace"], seen["name"])
        self.run("delete", f"--raw={path}", "--filename=-", stdin=json.dumps(options))

    def dry_run(self, manifest: Mapping[str, Any], *, server_side: bool) -> dict[str, Any]:
        """Return an object as `kubectl apply` would store it, without storing it."""
        how = ["--server-side"] if server_side else []
        text = self.run(
            *("apply", "--dry-run=server", "--filename=-", "--output=json", *how),
            stdin=json.dumps(manifest),
        )
        return _parsed(text)

    def namespace(self) -> str:
        """Return the namespace that commands use: the option's, the context's, or `default`."""
        if self._connection.namespace:
            return self._connection.namespace
        try:
            configured = self.run("config", "view", "--minify", "--output=jsonpath={..namespace}")
        except KubectlError:
            return "default"
        return configured.split(" ")[0].strip() or "default"


_JSON = ("--show-managed-fields", "--output=json")


def kind(resource: Resource) -> str:
    """Return a kind as kubectl takes it without ambiguity: `deployments.v1.apps`."""
    if not resource.group:
        return resource.plural
    return f"{resource.plural}.{resource.version}.{resource.group}"


def items_in(text: str) -> list[dict[str, Any]]:
    """Return the objects that `kubectl get` printed: a List, one object, or nothing."""
    if not text.strip():
        return []
    data = _parsed(text)
    if data.get("kind") == "List" or ("items" in data and "metadata" in data):
        items: list[dict[str, Any]] = data.get("items") or []
        return items
    return [data]


def _parsed(text: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(text)
    except ValueError as error:
        message = f"kubectl printed no JSON: {text[:200]!r}. Is `kubectl` on PATH the real one?"
        raise KubectlError(message, "NoJSON") from error
    return data


def _explain(stderr: str, stdout: str) -> KubectlError:
    """Return the error for kubectl's standard error, with what to do."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    lines = [line for line in lines if not _NOISE.match(line)] or lines
    text = "\n".join(dict.fromkeys(lines)) or "kubectl failed without a message."
    for cause in _CAUSES:
        if re.search(cause.pattern, text):
            message = f"{text}\n{cause.advice}".strip()
            return KubectlError(message, cause.reason, cause.code, stdout)
    return KubectlError(text, "Unknown", stdout=stdout)


def _timed_out(
    arguments: Sequence[str], seconds: int, error: subprocess.TimeoutExpired
) -> KubectlError:
    output = error.stderr or b""
    text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output
    printed = f" It printed: {text.strip()[-500:]}" if text.strip() else ""
    message = (
        f"kubectl {arguments[0]} did not end within {seconds} s.{printed}\n"
        "Check that the cluster answers and that no login waits: kubectl get namespaces. "
        "--request-timeout allows more time."
    )
    return KubectlError(message, "Unreachable", ExitCode.ERROR)
