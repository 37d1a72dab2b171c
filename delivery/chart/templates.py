"""The templates of the chart: the objects of manifests/base, with values where they may differ.

Objects are changed as objects: a place that gets a value holds a marker, which becomes a template's
action once the object is text.
"""

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from delivery.chart.values import PREFIX

Manifest = dict[str, Any]

HEADER = "{{- /* Generated from manifests/base by `make generate`: do not edit. */ -}}\n"
NAMESPACE = "{{ .Release.Namespace }}"
# Kinds without a namespace that a Role can't grant.
CLUSTER_GROUPS = frozenset(
    {"admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io", "storage.k8s.io"}
)
CLUSTER_RESOURCES = frozenset({"namespaces", "nodes", "persistentvolumes"})

IMAGE = (
    "{{ .Values.image.repository }}"
    "{{ if .Values.image.digest }}@{{ .Values.image.digest }}"
    "{{ else }}:{{ .Values.image.tag }}{{ end }}"
)
_LINE = re.compile(
    r"^( *)(- )?(?:([\w-]+): )?'?@(block|optional|word|list|merge) ([\w.]+)'?$", re.MULTILINE
)


def template_files(manifests: Iterable[Manifest]) -> dict[str, str]:
    """Return the text of each template by file name. Raises ValueError for an unknown shape."""
    objects = [m for m in manifests if m["kind"] != "Namespace"]
    bound = {m["roleRef"]["name"] for m in objects if m["kind"] == "ClusterRoleBinding"}
    files: dict[str, list[str]] = {
        "crds.yaml": [_CRDS], "deployment.yaml": [], "rbac.yaml": [], "roles-for-people.yaml": [],
    }  # fmt: skip
    for manifest in objects:
        if manifest["kind"] == "Deployment":
            files["deployment.yaml"].append(_text(_deployment(manifest)))
        elif manifest["kind"] == "ClusterRole" and manifest["metadata"]["name"] not in bound:
            files["roles-for-people.yaml"].append(_text(manifest))
        else:
            files["rbac.yaml"].append(_rights(manifest, objects))
    people = "---\n".join(files["roles-for-people.yaml"])
    files["roles-for-people.yaml"] = [_if(".Values.rolesForPeople.create", people)]
    return {name: HEADER + "---\n".join(parts) for name, parts in files.items()}


def _rights(manifest: Manifest, objects: Iterable[Manifest]) -> str:
    """Return what grants the operator its rights: in the cluster, or in the watched namespaces."""
    kind = manifest["kind"]
    if kind == "ServiceAccount":
        account = copy.deepcopy(manifest)
        account["metadata"]["annotations"] = "@optional serviceAccount.annotations"
        return _text(_in_release(account))
    if kind in {"Role", "RoleBinding"}:
        return _text(_in_release(manifest))
    if kind not in {"ClusterRole", "ClusterRoleBinding"}:
        raise ValueError(f"The chart has no template for {kind} {manifest['metadata']['name']}.")
    whole = _text(_in_release(manifest))
    name = manifest["metadata"]["name"] if kind == "ClusterRole" else manifest["roleRef"]["name"]
    (role,) = (m for m in objects if m["kind"] == "ClusterRole" and m["metadata"]["name"] == name)
    if not has_namespaces(role):
        return _if("not .Values.watchNamespaces", whole)
    return (
        "{{- if not .Values.watchNamespaces }}\n"
        f"{whole}"
        "{{- end }}\n"
        "{{- range .Values.watchNamespaces }}\n---\n"
        f"{_text(_in_namespace(manifest))}"
        "{{- end }}\n"
    )


def has_namespaces(role: Manifest) -> bool:
    """Whether a Role can grant what a ClusterRole does. Raises ValueError if only in part."""
    cluster_wide = {
        not CLUSTER_GROUPS.isdisjoint(rule["apiGroups"])
        or not CLUSTER_RESOURCES.isdisjoint(rule["resources"])
        for rule in role["rules"]
    }
    if len(cluster_wide) != 1:
        raise ValueError(
            f"ClusterRole {role['metadata']['name']} has rules for kinds with and without "
            "namespace: give each a ClusterRole, so that the operator can be installed for some "
            "namespaces."
        )
    return not cluster_wide.pop()


def _in_release(manifest: Manifest) -> Manifest:
    """Return an object in the namespace of the release."""
    changed = copy.deepcopy(manifest)
    if "namespace" in changed["metadata"]:
        changed["metadata"]["namespace"] = NAMESPACE
    for subject in changed.get("subjects", ()):
        subject["namespace"] = NAMESPACE
    return changed


def _in_namespace(manifest: Manifest) -> Manifest:
    """Return a Role or RoleBinding of a watched namespace, from one of the cluster."""
    changed = copy.deepcopy(manifest)
    changed["kind"] = manifest["kind"].removeprefix("Cluster")
    changed["metadata"]["namespace"] = "{{ . }}"
    if "roleRef" in changed:
        changed["roleRef"]["kind"] = "Role"
    for subject in changed.get("subjects", ()):
        subject["namespace"] = "{{ $.Release.Namespace }}"
    return changed


def _deployment(manifest: Manifest) -> Manifest:
    """Return the Deployment with the chart's values."""
    changed = _in_release(manifest)
    changed["spec"]["replicas"] = "{{ .Values.replicas }}"
    template = changed["spec"]["template"]
    template["metadata"]["labels"]["@"] = "@merge podLabels"
    template["metadata"]["annotations"]["@"] = "@merge podAnnotations"
    pod = template["spec"]
    for name in ("imagePullSecrets", "nodeSelector", "affinity", "tolerations"):
        pod[name] = f"@optional {name}"
    pod["topologySpreadConstraints"] = "@optional topologySpreadConstraints"
    pod["priorityClassName"] = "@word priorityClassName"
    (container,) = pod["containers"]
    container["image"] = IMAGE
    container["imagePullPolicy"] = "{{ .Values.image.pullPolicy }}"
    container["resources"] = "@block resources"
    container["env"] = [item for item in container["env"] if "value" not in item]
    container["env"].append("@list settings")
    return changed


def _text(manifest: Mapping[str, Any]) -> str:
    """Return an object as text, its markers replaced by actions."""
    text = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=1000)
    text = _LINE.sub(_action, text.replace("'@': ", "@: ").replace("@: ", ""))
    return re.sub(r"'(\{\{[^']*\}\})'", r"\1", text)


def _action(match: re.Match[str]) -> str:
    """Return the lines that a marker stands for."""
    indent, key, how, name = len(match[1]), match[3], match[4], match[5]
    builders: dict[str, Callable[[], str]] = {
        "block": lambda: _block(indent, key, name),
        "optional": lambda: _optional(indent, key, name),
        "word": lambda: _word(indent, key, name),
        "list": lambda: _list_of_settings(indent),
        "merge": lambda: _merge(indent, name),
    }
    return builders[how]()


def _block(indent: int, key: str, name: str) -> str:
    space = " " * indent
    return f"{space}{key}:\n{space}  {{{{- toYaml .Values.{name} | nindent {indent + 2} }}}}"


def _optional(indent: int, key: str, name: str) -> str:
    """Return a key with a list or a map, left out where it is empty."""
    space = " " * indent
    lines = (
        f"{space}{{{{- with .Values.{name} }}}}",
        f"{space}{key}:",
        f"{space}  {{{{- toYaml . | nindent {indent + 2} }}}}",
        f"{space}{{{{- end }}}}",
    )
    return "\n".join(lines)


def _word(indent: int, key: str, name: str) -> str:
    """Return a key with a string, left out where it is empty."""
    space = " " * indent
    return (
        f"{space}{{{{- with .Values.{name} }}}}\n"
        f"{space}{key}: {{{{ . | quote }}}}\n"
        f"{space}{{{{- end }}}}"
    )


def _merge(indent: int, name: str) -> str:
    space = " " * indent
    return (
        f"{space}{{{{- with .Values.{name} }}}}\n"
        f"{space}{{{{- toYaml . | nindent {indent} }}}}\n"
        f"{space}{{{{- end }}}}"
    )


def _list_of_settings(indent: int) -> str:
    space = " " * indent
    lines = (
        "{{- with .Values.watchNamespaces }}",
        f"{space}- name: {PREFIX}NAMESPACE",
        f'{space}  value: {{{{ join "," . }}}}',
        "{{- end }}",
        "{{- range $name, $value := .Values.settings }}",
        f"{space}- name: {PREFIX}{{{{ $name }}}}",
        f"{space}  value: {{{{ $value | toString | quote }}}}",
        "{{- end }}",
    )
    return "\n".join(lines)


def _if(condition: str, text: str) -> str:
    return f"{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n"


_CRDS = """\
{{- if .Values.crds.install }}
{{- range $path, $_ := .Files.Glob "files/crds/*.yaml" }}
---
{{ $.Files.Get $path }}
{{- end }}
{{- end }}
"""


def crd_to_keep(text: str) -> str:
    """Return a CRD that Helm keeps at an uninstall, for its objects would be deleted with it."""
    kept = "  annotations:\n    helm.sh/resource-policy: keep\n"
    changed, count = re.subn(
        r"(?m)^metadata:\n(?!  annotations:)", f"metadata:\n{kept}", text, count=1
    )
    if count != 1:
        raise ValueError("A CRD has annotations of its own: add helm.sh/resource-policy to them.")
    return changed
