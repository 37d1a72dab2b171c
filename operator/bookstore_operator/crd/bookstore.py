"""BookStore: what the user wants, and what the operator says about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bookstore_operator.crd.base import (
    Metadata,
    Part,
    group,
    rules,
)
from bookstore_operator.crd.spec.autoscaling import Autoscaling
from bookstore_operator.crd.spec.backup import Backup
from bookstore_operator.crd.spec.cache import Cache
from bookstore_operator.crd.spec.config import Config
from bookstore_operator.crd.spec.database import Database, embedded_database
from bookstore_operator.crd.spec.image import ImagePullSecret, PullPolicy
from bookstore_operator.crd.spec.migration import Migration
from bookstore_operator.crd.spec.monitoring import Monitoring
from bookstore_operator.crd.spec.network_policy import NetworkPolicy
from bookstore_operator.crd.spec.resources import Resources, api_resources
from bookstore_operator.crd.spec.rollout import Rollout
from bookstore_operator.crd.spec.scheduling import Scheduling
from bookstore_operator.crd.spec.service import Service
from bookstore_operator.crd.spec.staff import Staff
from bookstore_operator.crd.status import BookStoreStatus

KIND = "BookStore"
PLURAL = "bookstores"
MAX_NAME_LENGTH = 40


class Environment(StrEnum):
    """What the API runs as."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


class DeletionPolicy(StrEnum):
    """What becomes of volumes and their password when the BookStore is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class BookStoreSpec(
    Part,
    json_schema_extra=rules(
        (
            "!(has(self.replicas) && has(self.autoscaling))",
            "give one of replicas and autoscaling, not both",
        ),
        (
            "self.environment == 'development' || !has(self.config.corsOrigins) "
            "|| !('*' in self.config.corsOrigins)",
            "config.corsOrigins may have the wildcard * in environment development only: "
            "name the origins",
        ),
    ),
):
    """What the user wants. Only `image` is required."""

    image: str = Field(
        min_length=1,
        max_length=500,
        pattern=r"^\S+$",
        description="The API's image. Changing it starts a release; use digests in production.",
    )
    environment: Environment = Field(Environment.PRODUCTION, description="What the API runs as.")
    image_pull_policy: PullPolicy = Field(
        PullPolicy.IF_NOT_PRESENT, description="When a node pulls the image."
    )
    image_pull_secrets: Annotated[list[ImagePullSecret], Field(max_length=10)] = Field(
        default_factory=list, description="Secrets of the same namespace to pull the image with."
    )
    replicas: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="How many API Pods serve; 2 when neither this nor `autoscaling` is given.",
    )
    autoscaling: Autoscaling | None = Field(
        None, description="Let the API's replicas follow its CPU use."
    )
    database: Database = group(embedded_database, "Where the books are kept.")
    cache: Cache | None = Field(
        None, description="A Redis for what the API's processes share; none when unset."
    )
    staff: Staff = group(Staff, "The token that writes to the API need.")
    migration: Migration = group(Migration, "How the schema is changed.")
    rollout: Rollout = group(Rollout, "How a release goes on.")
    backup: Backup | None = Field(None, description="Dumps of the database on a schedule.")
    config: Config = group(Config, "Settings of the API.")
    resources: Resources = group(api_resources, "CPU and memory of each API Pod.")
    scheduling: Scheduling = group(Scheduling, "Where Pods run.")
    service: Service = group(Service, "The Service that users reach.")
    network_policy: NetworkPolicy = group(NetworkPolicy, "Who may open connections to the Pods.")
    monitoring: Monitoring = group(
        Monitoring, "How the API's Pods are found by what collects metrics."
    )
    deletion_policy: DeletionPolicy = Field(
        DeletionPolicy.RETAIN,
        description="What becomes of the volumes of database and backups, and of the generated "
        "password, when the BookStore is deleted. What is retained is taken up again by a "
        "BookStore of the same name.",
    )
    paused: bool = Field(
        False, description="Write nothing but status: an administrator works by hand."
    )


class BookStore(Part):
    """A bookstore in production: its API, its database, its releases, its backups."""

    api_version: str = ""
    kind: str = KIND
    metadata: Metadata
    spec: BookStoreSpec
    status: BookStoreStatus = Field(default_factory=BookStoreStatus)

    @property
    def name(self) -> str:
        """The BookStore's name."""
        return self.metadata.name
