"""`spec.ingress`: the Ingress that routes requests for a host name to the API."""

from pydantic import Field

from bookstore_operator.crd.base import EMPTY, AnnotationMap, ObjectName, Part


class Ingress(Part):
    """Ingress that routes requests for a host name to the Service, whichever color serves."""

    host: str = Field(
        max_length=253,
        pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="Host name that users request, a DNS name. Example: `books.example.com`.",
    )
    class_name: ObjectName | None = Field(
        None,
        description="IngressClass, which names the controller. Defaults to the cluster's default "
        "class.",
    )
    path: str = Field(
        "/",
        max_length=200,
        pattern=r"^(/|(/[-._~A-Za-z0-9]+)+)$",
        description="Path that requests must begin with, by whole elements. The API gets it "
        "unchanged. Example: `/v1`.",
    )
    tls_secret_name: ObjectName | None = Field(
        None,
        description="Secret in the same namespace with the certificate for the host, of type "
        "`kubernetes.io/tls`. The controller reads it; the operator does not. No TLS if unset.",
    )
    annotations: AnnotationMap = Field(
        default_factory=dict,
        description="Annotations of the Ingress, by which its controller and cert-manager are "
        "configured. Example: `cert-manager.io/cluster-issuer: letsencrypt`.",
        json_schema_extra=EMPTY,
    )
