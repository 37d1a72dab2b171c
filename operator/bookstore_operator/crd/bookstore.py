"""BookStore: the desired state (spec) and the observed state (status)."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from bookstore_operator.crd.base import CustomObject, ObjectName, Part, group, rules
from bookstore_operator.crd.spec.autoscaling import Autoscaling
from bookstore_operator.crd.spec.backup import Backup
from bookstore_operator.crd.spec.bootstrap import BOOTSTRAP_RULE, Bootstrap
from bookstore_operator.crd.spec.cache import Cache
from bookstore_operator.crd.spec.config import Config
from bookstore_operator.crd.spec.container import EnvironmentVariables, SecretMounts
from bookstore_operator.crd.spec.database import Database, embedded_database
from bookstore_operator.crd.spec.image import ImagePullSecret, PullPolicy
from bookstore_operator.crd.spec.ingress import Ingress
from bookstore_operator.crd.spec.migration import Migration
from bookstore_operator.crd.spec.monitoring import Monitoring
from bookstore_operator.crd.spec.network_policy import NetworkPolicy
from bookstore_operator.crd.spec.pod_metadata import PodMetadata
from bookstore_operator.crd.spec.resources import Resources, default_resources
from bookstore_operator.crd.spec.rollout import Rollout
from bookstore_operator.crd.spec.scheduling import Scheduling
from bookstore_operator.crd.spec.service import Service
from bookstore_operator.crd.spec.signing_keys import SigningKeys
from bookstore_operator.crd.spec.smtp import Smtp
from bookstore_operator.crd.spec.staff import Staff
from bookstore_operator.crd.status import BookStoreStatus

KIND = "BookStore"
PLURAL = "bookstores"
MAX_NAME_LENGTH = 40
DEFAULT_REPLICAS = 2
"""In the CRD, because a scale subresource without replicas reads as 0: no autoscaler starts."""


class Environment(StrEnum):
    """The environment that the API runs in."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


class DeletionPolicy(StrEnum):
    """Whether volumes and their password are kept when the BookStore is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"
    FINAL_BACKUP = "FinalBackup"


class BookStoreSpec(
    Part,
    json_schema_extra=rules(
        (
            f"!has(self.autoscaling) || self.replicas == {DEFAULT_REPLICAS}",
            "only one of replicas and autoscaling may be set: remove replicas, or set it to its "
            f"default of {DEFAULT_REPLICAS}",
        ),
        (
            "self.environment == 'development' || !has(self.config.corsOrigins) "
            "|| !('*' in self.config.corsOrigins)",
            "config.corsOrigins may contain the wildcard * in environment development only: "
            "list the origins",
        ),
        (
            "self.deletionPolicy != 'FinalBackup' || has(self.backup)",
            "deletionPolicy FinalBackup needs backup: it says where the final backup is stored",
        ),
        BOOTSTRAP_RULE,
    ),
):
    """The desired state of a BookStore. Only `image` is required."""

    image: str = Field(
        min_length=1,
        max_length=500,
        pattern=r"^\S+$",
        description="Image of the API. A change starts a release. Use a digest in production.",
    )
    environment: Environment = Field(
        Environment.PRODUCTION, description="Environment that the API runs in."
    )
    image_pull_policy: PullPolicy = Field(
        PullPolicy.IF_NOT_PRESENT, description="When a node pulls the image."
    )
    image_pull_secrets: Annotated[list[ImagePullSecret], Field(max_length=10)] = Field(
        default_factory=list,
        description="Secrets with credentials to pull the images of all its Pods.",
    )
    replicas: int = Field(
        DEFAULT_REPLICAS,
        ge=0,
        le=1000,
        description="Number of API Pods if `autoscaling` is not set. `kubectl scale` and a "
        "HorizontalPodAutoscaler of the BookStore itself set it.",
    )
    autoscaling: Autoscaling | None = Field(
        None, description="Scale the API's replicas by CPU utilization."
    )
    database: Database = group(embedded_database, "Database that stores the books.")
    bootstrap: Bootstrap | None = Field(
        None, description="What a new BookStore begins with. No effect on one that has served."
    )
    cache: Cache | None = Field(
        None,
        description="Redis or Valkey for state that the API's processes share. No cache if unset.",
    )
    staff: Staff = group(Staff, "Token that clients must send to write through the API.")
    signing_keys: SigningKeys = group(
        SigningKeys, "Keys that access tokens of accounts are signed with."
    )
    smtp: Smtp | None = Field(
        None,
        description="Server that sends mails, such as those to reset a password. No mails if unset "
        "or if `config.publicUrl` is.",
    )
    migration: Migration = group(Migration, "How the database schema is migrated.")
    rollout: Rollout = group(Rollout, "How a release is rolled out.")
    backup: Backup | None = Field(None, description="Scheduled dumps of the database.")
    config: Config = group(Config, "Settings of the API.")
    resources: Resources = group(
        default_resources("100m", "128Mi", "384Mi"), "CPU and memory of each API Pod."
    )
    env: EnvironmentVariables = Field(
        default_factory=list,
        description="Environment variables of the API and its migrations, in addition to those of "
        "the contract.",
    )
    secret_mounts: SecretMounts = Field(
        default_factory=list,
        description="Secrets that are mounted as folders into the API and its migrations.",
    )
    scheduling: Scheduling = group(
        Scheduling, "Constraints on the nodes that all Pods of the BookStore run on."
    )
    pod_metadata: PodMetadata = group(
        PodMetadata, "Labels and annotations of all Pods of the BookStore."
    )
    service_account_name: ObjectName | None = Field(
        None,
        description="ServiceAccount, in the same namespace, of the Pods of the API, its migrations "
        "and backups: for the workload identity of a cloud. Their Pods get no token of the "
        "Kubernetes API. Defaults to the namespace's own.",
    )
    service: Service = group(Service, "Service that exposes the API.")
    ingress: Ingress | None = Field(
        None,
        description="Ingress that routes requests for a host name to the Service. None if unset.",
    )
    network_policy: NetworkPolicy = group(
        NetworkPolicy, "Which Pods may connect to the API, the database and the cache."
    )
    monitoring: Monitoring = group(
        Monitoring, "How Prometheus and other collectors find the API's Pods."
    )
    deletion_policy: DeletionPolicy = Field(
        DeletionPolicy.RETAIN,
        description="Whether the volumes of the database and the backups, and the generated "
        "database password, are kept when the BookStore is deleted. A new BookStore with the same "
        "name uses retained volumes again. `FinalBackup` takes a last backup first, and then "
        "deletes the volume of the database, but not the backups.",
    )
    paused: bool = Field(
        False,
        description="Suspend reconciliation. While true, the operator updates only the status.",
    )


def _readable_or_empty(value: Any, parse: ValidatorFunctionWrapHandler) -> BookStoreStatus:
    """Return a status, or an empty one if it does not match the model: it is written again."""
    try:
        status: BookStoreStatus = parse(value)
    except ValidationError:
        return BookStoreStatus()
    return status


class BookStore(CustomObject):
    """A bookstore in production: its API, its database, its releases, its backups."""

    kind: str = KIND
    spec: BookStoreSpec
    status: Annotated[BookStoreStatus, WrapValidator(_readable_or_empty)] = Field(
        default_factory=BookStoreStatus
    )
