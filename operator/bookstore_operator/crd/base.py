"""What all models share: field names, times, quantities, and rules that the API server checks."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializationInfo,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from bookstore_operator.crd.quantities import amount

GROUP = "bookstore.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FINAL_BACKUP = f"{GROUP}/final-backup"
"""The operator's only finalizer: it holds a BookStore until its final backup is verified."""


class Part(BaseModel):
    """A part of an object: camelCase in JSON, immutable; unknown fields are ignored.

    The API server prunes or rejects unknown fields. If the model rejected them too, an older
    operator could not read an object that a newer one wrote.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="ignore",
    )

    def manifest(self) -> dict[str, Any]:
        """Return the part as JSON data, without unset fields."""
        return self.model_dump(mode="json", exclude_none=True)


def group(factory: Callable[[], Part], description: str) -> Any:
    """Return an optional group of fields, for which the API server fills in the defaults."""
    default = factory().model_dump(mode="json", exclude_unset=True)
    return Field(
        default_factory=factory, description=description, json_schema_extra={"default": default}
    )


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return the schema extra for CEL rules.

    Args:
        pairs: the rule and the message that the API server gives when it does not hold.

    """
    return {
        "x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]
    }


def embedded_or_external(name: str) -> tuple[str, str]:
    """Return the rule, with its message, that a group sets exactly one of the two fields."""
    return (
        "has(self.embedded) != has(self.external)",
        f"exactly one of {name}.embedded and {name}.external must be set",
    )


NULLABLE: dict[str, Any] = {"nullable": True}
"""For optional objects without a default: null is the same as absent, for CEL's `has`, too.

Server-side apply sets a map to null when all that it held is removed and `{}` is applied
(kubernetes-sigs/structured-merge-diff #305), which would be rejected.
"""
EMPTY: dict[str, Any] = {"default": {}}
"""For maps that are empty by default: the API server replaces null, see NULLABLE."""


EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""The bounds of times: decisions add delays to them, and Python's end with the year 9999."""


def _bounded(moment: datetime) -> datetime:
    """Return a time in UTC and within bounds: `date-time` in a CRD allows one without a zone."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(EARLIEST, min(aware, LATEST)).astimezone(UTC)


def parse_time(text: str) -> datetime:
    """Return a time of another program's object, in UTC and within bounds."""
    return _bounded(datetime.fromisoformat(text))


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[datetime, AfterValidator(_bounded), PlainSerializer(_rfc3339, when_used="json")]
"""A point in time; written in UTC and whole seconds, as Kubernetes' metav1.Time is."""

COMPARED = {"compared": True}
"""Serialization context in which a quantity has one canonical form, so that dumps compare equal."""


def _quantity(text: str, info: SerializationInfo) -> str:
    return str(amount(text)) if info.context == COMPARED else text


QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"

Quantity = Annotated[
    str,
    BeforeValidator(str),
    Field(pattern=QUANTITY),
    PlainSerializer(_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY,
            "maxLength": 20,
            "minimum": 0,  # where the quantity is given as a number
        }
    ),
]
"""A quantity of CPU, memory or storage, as in `500m` or `1Gi`."""

SmallText = Annotated[str, Field(max_length=253)]
ObjectName = Annotated[
    str, Field(max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", min_length=1)
]
"""The name of an object: a DNS subdomain (RFC 1123), as most kinds require."""
DataKey = Annotated[str, Field(max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
"""A key of a Secret."""
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABEL_KEY = rf"^([a-z0-9]([-.a-z0-9]{{0,251}}[a-z0-9])?/)?{_WORD}$"
LabelValue = Annotated[str, Field(max_length=63, pattern=f"^({_WORD})?$")]
LabelKey = Annotated[str, Field(max_length=317, pattern=_LABEL_KEY)]
LABEL_KEYS = (
    f"self.all(key, key.matches('{_LABEL_KEY}'))",
    "each key must be a name of at most 63 letters, digits and -_. that begins and ends with a "
    "letter or digit, if needed after a DNS name and a slash, as in example.com/team",
)
"""The rule, with its message, for the keys of a map of labels or annotations.

A structural schema can't have a pattern for keys. The model does not check them either: a map that
was stored before there was a rule is rejected by Kubernetes, and reported.
"""
LabelMap = Annotated[
    dict[str, LabelValue], Field(max_length=20, json_schema_extra=rules(LABEL_KEYS))
]
"""Labels of nodes, Pods or namespaces."""
AnnotationMap = Annotated[
    dict[str, Annotated[str, Field(max_length=2048)]],
    Field(
        max_length=20,
        json_schema_extra=rules(
            LABEL_KEYS,
            (
                f"self.all(key, !key.startsWith('{GROUP}/'))",
                f"annotations must not contain one of {GROUP}: the operator sets them",
            ),
        ),
    ),
]
"""Annotations of an object that other controllers read."""


class Owner(Part):
    """The field of an OwnerReference that decisions need."""

    uid: str = ""


class Metadata(Part):
    """The fields of ObjectMeta that decisions need."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[Owner, ...] = ()

    @property
    def created_at(self) -> datetime:
        """When it was created; the earliest time if that is unknown."""
        return self.creation_timestamp or EARLIEST


class CustomObject(Part):
    """What the operator's own kinds have in common."""

    api_version: str = ""
    kind: str = ""
    metadata: Metadata

    @property
    def name(self) -> str:
        """The object's name."""
        return self.metadata.name
