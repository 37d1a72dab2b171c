"""`spec.imagePullPolicy` and `spec.imagePullSecrets`: how the image is pulled."""

from enum import StrEnum

from pydantic import Field

from bookstore_operator.crd.base import ObjectName, Part


class PullPolicy(StrEnum):
    """When a node pulls an image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class ImagePullSecret(Part):
    """A Secret with the credentials of an image registry."""

    name: ObjectName = Field(description="Name of the Secret.")
