"""The values of the chart: their defaults, what they do, and the schema that rejects others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

PREFIX = "BOOKSTORE_OPERATOR_"
# Set by the chart itself.
OWN_SETTINGS = ("LEASE_NAMESPACE", "NAMESPACE")

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
STRINGS: Schema = {"type": "object", "additionalProperties": STRING}
OBJECT: Schema = {"type": "object"}
OBJECTS: Schema = {"type": "array", "items": OBJECT}
BOOLEAN: Schema = {"type": "boolean"}
NAMESPACE: Schema = {
    "type": "string",
    "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    "maxLength": 63,
}


@dataclass(frozen=True)
class Value:
    """A value of the chart, or a group of values (`parts`)."""

    name: str
    about: str
    default: Any = None
    schema: Schema = field(default_factory=dict)
    parts: tuple["Value", ...] = ()


def values(deployment: Mapping[str, Any]) -> tuple[Value, ...]:
    """Return the values; their defaults are what the base's Deployment has."""
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return (
        _image(container),
        Value(
            "imagePullSecrets",
            "Secrets of the operator's namespace for its own image: [{name: NAME}].",
            [],
            {"type": "array", "items": _object({"name": STRING}, "name")},
        ),
        Value(
            "replicas",
            "More than one stand by: one Pod at a time is the leader.",
            deployment["spec"]["replicas"],
            {"type": "integer", "minimum": 0},
        ),
        Value(
            "watchNamespaces",
            "Namespaces whose BookStores are operated; [] for all. With namespaces, the operator\n"
            "gets Roles in these only (they must exist), and no ClusterRole.",
            [],
            {"type": "array", "items": NAMESPACE, "uniqueItems": True},
        ),
        Value(
            "settings",
            "Options of `bookstore-operator run`, as their environment variables without\n"
            f"{PREFIX}. Example: LOG_LEVEL: debug.",
            _settings(container),
            {
                "type": "object",
                "propertyNames": {
                    "pattern": "^[A-Z]+(_[A-Z]+)*$",
                    "not": {"enum": list(OWN_SETTINGS)},
                },
                # A larger number would reach the operator as 1e+06.
                "additionalProperties": {
                    "type": ["string", "integer", "boolean"],
                    "maximum": 999_999,
                },
            },
        ),
        Value("resources", "Of the operator's container.", container["resources"], OBJECT),
        *_pod_values(deployment["spec"]["template"]["metadata"]),
        *_cluster_values(),
    )


def _cluster_values() -> tuple[Value, ...]:
    """Return what concerns the operator's rights, and what is there once in a cluster."""
    return (
        Value(
            "serviceAccount",
            "The operator's ServiceAccount, bookstore-operator.",
            parts=(Value("annotations", "Its annotations.", {}, STRINGS),),
        ),
        Value(
            "crds",
            "The CustomResourceDefinitions are upgraded with the chart. Uninstalling keeps them,\n"
            "and with them all BookStores.",
            parts=(
                Value("install", "false: another release, or a person, does it.", True, BOOLEAN),
            ),
        ),
        Value(
            "rolesForPeople",
            "The ClusterRoles bookstore-viewer, -editor and -approver, once in a cluster.",
            parts=(Value("create", "false: another release has them.", True, BOOLEAN),),
        ),
    )


def _image(container: Mapping[str, Any]) -> Value:
    repository, _, tag = str(container["image"]).rpartition(":")
    return Value(
        "image",
        "The operator's image. No version is published yet: build it and push it to a registry.",
        parts=(
            Value("repository", "With the registry.", repository, {**STRING, "minLength": 1}),
            Value(
                "tag", "Ignored where a digest is set.", tag, {**STRING, "pattern": "^[\\w.-]*$"}
            ),
            Value(
                "digest",
                "sha256:…, so that nobody can change what runs.",
                "",
                {**STRING, "pattern": "^(sha256:[0-9a-f]{64})?$"},
            ),
            Value(
                "pullPolicy",
                "When nodes pull it.",
                container["imagePullPolicy"],
                {"enum": ["Always", "IfNotPresent", "Never"]},
            ),
        ),
    )


def _pod_values(metadata: Mapping[str, Any]) -> tuple[Value, ...]:
    """Return what the operator's Pods get in addition; by default nothing."""
    labels, annotations = (
        {**STRINGS, "propertyNames": {"not": {"enum": list(metadata[kind])}}}
        for kind in ("labels", "annotations")
    )
    return (
        Value("podAnnotations", "More annotations of the operator's Pods.", {}, annotations),
        Value("podLabels", "More labels of the operator's Pods.", {}, labels),
        Value("nodeSelector", "Labels of the nodes that may run the operator.", {}, STRINGS),
        Value("affinity", "Of the operator's Pods.", {}, OBJECT),
        Value("tolerations", "Of the operator's Pods.", [], OBJECTS),
        Value("topologySpreadConstraints", "Of the operator's Pods.", [], OBJECTS),
        Value("priorityClassName", "Of the operator's Pods.", "", STRING),
    )


def _settings(container: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that the base gives the operator as constants, without the prefix."""
    named = {item["name"].removeprefix(PREFIX): item for item in container["env"]}
    return {name: item["value"] for name, item in named.items() if "value" in item}


def _object(properties: Mapping[str, Schema], *required: str) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def schema(listed: tuple[Value, ...]) -> Schema:
    """Return the JSON schema of values.yaml; a value that does not exist is rejected."""
    root = _schema_of(listed)
    # Helm passes `global` to every chart.
    root["properties"]["global"] = OBJECT
    return {"$schema": "http://json-schema.org/draft-07/schema#", **root}


def _schema_of(listed: tuple[Value, ...]) -> Schema:
    return _object(
        {
            value.name: {
                "description": " ".join(value.about.split()),
                **(_schema_of(value.parts) if value.parts else value.schema),
            }
            for value in listed
        }
    )


def values_yaml(listed: tuple[Value, ...]) -> str:
    """Return values.yaml: each value under a comment that says what it does."""
    return "\n\n".join("\n".join(_lines(value, "")) for value in listed) + "\n"


def _lines(value: Value, indent: str) -> list[str]:
    lines = [f"{indent}# {line}" for line in value.about.splitlines()]
    if value.parts:
        inner = [line for part in value.parts for line in _lines(part, indent + "  ")]
        return [*lines, f"{indent}{value.name}:", *inner]
    text = yaml.safe_dump({value.name: value.default}, sort_keys=False, allow_unicode=True)
    return [*lines, *(indent + line for line in text.splitlines())]
