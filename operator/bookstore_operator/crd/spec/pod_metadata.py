"""`spec.podMetadata`: labels and annotations of every Pod of a BookStore."""

from typing import Annotated

from pydantic import Field

from bookstore_operator.crd.base import EMPTY, GROUP, LABEL_KEYS, LabelValue, Part, rules

OWN_LABELS = rf"^(app\\.kubernetes\\.io/(name|instance|component|managed-by)|{GROUP}/.*)$"
OTHERS_LABELS = (
    r"^(job-name|controller-uid|pod-template-hash|controller-revision-hash|"
    r"(batch|statefulset|apps)\\.kubernetes\\.io/.*)$"
)
OWN_ANNOTATIONS = rf"^({GROUP}/.*|kubectl\\.kubernetes\\.io/default-container)$"

PodLabels = Annotated[
    dict[str, LabelValue],
    Field(
        max_length=20,
        json_schema_extra=rules(
            LABEL_KEYS,
            (
                f"self.all(key, !key.matches('{OWN_LABELS}') && !key.matches('{OTHERS_LABELS}'))",
                "podMetadata.labels must not contain a label that the operator or Kubernetes sets: "
                f"app.kubernetes.io/name, instance, component and managed-by, and those of "
                f"{GROUP}, of Jobs, StatefulSets and Deployments are reserved",
            ),
        ),
    ),
]
PodAnnotations = Annotated[
    dict[str, Annotated[str, Field(max_length=1024)]],
    Field(
        max_length=20,
        json_schema_extra=rules(
            LABEL_KEYS,
            (
                f"self.all(key, !key.matches('{OWN_ANNOTATIONS}'))",
                f"podMetadata.annotations must not contain an annotation of {GROUP} or "
                "kubectl.kubernetes.io/default-container: the operator sets them",
            ),
        ),
    ),
]


class PodMetadata(Part):
    """Labels and annotations of every Pod of the BookStore, in addition to the operator's own."""

    labels: PodLabels = Field(
        default_factory=dict, description="Labels of the Pods.", json_schema_extra=EMPTY
    )
    annotations: PodAnnotations = Field(
        default_factory=dict,
        description='Annotations of the Pods. Example: `sidecar.istio.io/inject: "false"`.',
        json_schema_extra=EMPTY,
    )
