"""BookStore: what the user wants, and what the operator says about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from bookstore_operator.model.base import (
    DataKey,
    LabelKey,
    LabelValue,
    Metadata,
    ObjectName,
    Part,
    Quantity,
    Time,
    group,
    rules,
)

KIND = "BookStore"
PLURAL = "bookstores"
MAX_NAME_LENGTH = 40

Seconds = Annotated[int, Field(ge=0, le=86400)]


class Environment(StrEnum):
    """What the API runs as."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class LogLevel(StrEnum):
    """How much the API says in its log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class PullPolicy(StrEnum):
    """When a node pulls an image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class ServiceType(StrEnum):
    """How the active Service is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class DeletionPolicy(StrEnum):
    """What becomes of volumes and their password when the BookStore is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class ResourceAmounts(Part):
    """Amounts of CPU and memory."""

    cpu: Quantity | None = Field(None, description="CPU, in cores or thousandths: `500m`.")
    memory: Quantity | None = Field(None, description="Memory in bytes: `256Mi`.")


def _within_limit(amount: str) -> tuple[str, str]:
    asked, most = f"self.requests.{amount}", f"self.limits.{amount}"
    given = f"has(self.requests) && has({asked}) && has(self.limits) && has({most})"
    larger = f"quantity(string({asked})).isGreaterThan(quantity(string({most})))"
    return (
        f"!({given}) || !{larger}",
        f"resources.requests.{amount} must not be larger than resources.limits.{amount}",
    )


class Resources(Part, json_schema_extra=rules(_within_limit("cpu"), _within_limit("memory"))):
    """What each container asks for and may use at most."""

    requests: ResourceAmounts = group(ResourceAmounts, "What the scheduler sets aside.")
    limits: ResourceAmounts = group(ResourceAmounts, "What a container may use at most.")


def _api_resources() -> Resources:
    return Resources(
        requests=ResourceAmounts(cpu="100m", memory="128Mi"),
        limits=ResourceAmounts(memory="384Mi"),
    )


def _database_resources() -> Resources:
    return Resources(
        requests=ResourceAmounts(cpu="100m", memory="256Mi"),
        limits=ResourceAmounts(memory="1Gi"),
    )


class Autoscaling(
    Part,
    json_schema_extra=rules(
        (
            "self.minReplicas <= self.maxReplicas",
            "autoscaling.minReplicas must not be larger than autoscaling.maxReplicas",
        )
    ),
):
    """The API's replicas follow its CPU use."""

    min_replicas: int = Field(2, ge=1, le=1000, description="Never fewer than this.")
    max_replicas: int = Field(ge=1, le=1000, description="Never more than this.")
    target_cpu_percent: int = Field(
        70, ge=1, le=100, description="Mean CPU use to aim at, in percent of `resources.requests`."
    )


class Storage(Part):
    """A volume. Its size and class can't be changed in place."""

    size: Quantity = Field(
        "1Gi",
        description="How large the volume is.",
        json_schema_extra=rules(
            ("self == oldSelf", "the size of a volume can't be changed here: see its claim (PVC)")
        ),
    )
    storage_class_name: ObjectName | None = Field(
        None,
        description="The StorageClass to take; the cluster's default one when unset.",
        json_schema_extra=rules(("self == oldSelf", "the class of a volume can't be changed")),
    )


class EmbeddedDatabase(Part):
    """One PostgreSQL server of the BookStore's own, for development and demos: no failover."""

    storage: Storage = group(Storage, "Where the data is kept.")
    resources: Resources = group(_database_resources, "CPU and memory of the server.")


class ExternalDatabase(Part):
    """A PostgreSQL database that someone else runs, told by a Secret of the same namespace."""

    secret_name: ObjectName = Field(description="The Secret with the database's URI.")
    key: DataKey = Field("uri", description="The key of the URI (`postgresql://…`).")
    direct_key: DataKey | None = Field(
        None,
        description="The key of a URI that bypasses a connection pooler; migrations prefer it.",
    )


class Database(
    Part,
    json_schema_extra=rules(
        (
            "has(self.embedded) != has(self.external)",
            "give one of database.embedded and database.external",
        ),
        (
            "has(self.external) == has(oldSelf.external)",
            "a BookStore can't move between an embedded and an external database, "
            "its books would stay behind: create another BookStore",
        ),
    ),
):
    """Where the books are kept: exactly one of the two."""

    embedded: EmbeddedDatabase | None = Field(
        None, description="One PostgreSQL server of the BookStore's own."
    )
    external: ExternalDatabase | None = Field(
        None, description="A PostgreSQL database that someone else runs."
    )


def _embedded() -> Database:
    return Database(embedded=EmbeddedDatabase())


class Migration(Part):
    """How the schema is changed."""

    timeout_seconds: int = Field(
        600, ge=1, le=86400, description="How long one attempt may take, in seconds."
    )
    attempts: int = Field(
        3,
        ge=1,
        le=20,
        description="How often to try before the release fails. An unreachable or locked "
        "database does not count: that is tried again for ever.",
    )


class Rollout(Part):
    """How a release goes on."""

    progress_deadline_seconds: int = Field(
        600,
        ge=1,
        le=86400,
        description="How long the new colour may take to become available, in seconds.",
    )
    scale_down_delay_seconds: Seconds = Field(
        30, description="How long the old colour stays warm after the switch, in seconds."
    )
    history_limit: int = Field(
        10, ge=2, le=100, description="How many finished BookStoreReleases are kept."
    )


class Backup(Part):
    """Dumps of the database on a schedule, kept on a volume."""

    schedule: str = Field(
        description="When, as a cron line in UTC: `17 3 * * *`.",
        pattern=r"^(@(hourly|daily|weekly|monthly)|\S+ \S+ \S+ \S+ \S+)$",
        max_length=100,
    )
    keep: int = Field(7, ge=1, le=1000, description="How many dumps are kept.")
    storage: Storage = group(Storage, "Where the dumps are kept.")
    timeout_seconds: int = Field(
        3600, ge=60, le=86400, description="How long one backup may take, in seconds."
    )
    suspend: bool = Field(False, description="Start no further backups.")


class Config(Part):
    """Settings of the API."""

    log_level: LogLevel = Field(LogLevel.INFO, description="How much the API says in its log.")
    drain_seconds: int = Field(
        5,
        ge=0,
        le=300,
        description="From SIGTERM to closing the listening socket, in seconds.",
    )
    shutdown_seconds: int = Field(
        20, ge=1, le=600, description="How long requests in flight may take after that, in seconds."
    )
    database_pool_size: int = Field(
        5, ge=1, le=100, description="Connections that each API process holds open."
    )


class Toleration(Part):
    """A taint of nodes that Pods put up with."""

    key: LabelKey | None = Field(None, description="The taint's key; all when unset.")
    operator: Literal["Exists", "Equal"] = Field("Equal", description="How to compare the value.")
    value: LabelValue | None = Field(None, description="The taint's value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect; all when unset."
    )
    toleration_seconds: int | None = Field(
        None, description="For how long NoExecute is put up with, in seconds."
    )


class Scheduling(Part):
    """Where Pods run."""

    node_selector: Annotated[dict[str, LabelValue], Field(max_length=20)] = Field(
        default_factory=dict, description="Labels that a node must have."
    )
    tolerations: Annotated[list[Toleration], Field(max_length=20)] = Field(
        default_factory=list, description="Taints that Pods put up with."
    )
    priority_class_name: ObjectName | None = Field(
        None, description="The PriorityClass of the API's Pods."
    )


class Service(
    Part,
    json_schema_extra=rules(
        (
            "!has(self.nodePort) || self.type != 'ClusterIP'",
            "service.nodePort needs service.type NodePort or LoadBalancer",
        )
    ),
):
    """The Service that users reach."""

    type: ServiceType = Field(ServiceType.CLUSTER_IP, description="How it is reached.")
    port: int = Field(80, ge=1, le=65535, description="The port of the Service.")
    node_port: int | None = Field(
        None, ge=1, le=65535, description="The port on each node; any free one when unset."
    )


class NetworkPolicy(Part):
    """Who may open connections to the Pods."""

    enabled: bool = Field(
        True,
        description="Let only the public port of the API, and only this BookStore's own Pods "
        "to its embedded database.",
    )


class ImagePullSecret(Part):
    """A Secret with a registry's credentials."""

    name: ObjectName = Field(description="The Secret's name.")


class BookStoreSpec(
    Part,
    json_schema_extra=rules(
        (
            "!(has(self.replicas) && has(self.autoscaling))",
            "give one of replicas and autoscaling, not both",
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
    database: Database = group(_embedded, "Where the books are kept.")
    migration: Migration = group(Migration, "How the schema is changed.")
    rollout: Rollout = group(Rollout, "How a release goes on.")
    backup: Backup | None = Field(None, description="Dumps of the database on a schedule.")
    config: Config = group(Config, "Settings of the API.")
    resources: Resources = group(_api_resources, "CPU and memory of each API Pod.")
    scheduling: Scheduling = group(Scheduling, "Where Pods run.")
    service: Service = group(Service, "The Service that users reach.")
    network_policy: NetworkPolicy = group(NetworkPolicy, "Who may open connections to the Pods.")
    deletion_policy: DeletionPolicy = Field(
        DeletionPolicy.RETAIN,
        description="What becomes of the volumes of database and backups, and of the generated "
        "password, when the BookStore is deleted. What is retained is taken up again by a "
        "BookStore of the same name.",
    )
    paused: bool = Field(
        False, description="Write nothing but status: an administrator works by hand."
    )


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Part):
    """One aspect of the state, by the Kubernetes conventions."""

    type: str = Field(description="Which aspect.", max_length=63)
    status: ConditionStatus = Field(description="Whether it holds.")
    reason: str = Field(description="Why, as a word for programs.", max_length=100)
    message: str = Field("", description="Why, as a sentence for people.", max_length=4096)
    observed_generation: int = Field(0, description="The generation of the spec it is about.")
    last_transition_time: Time = Field(description="Since when the status is what it is.")


class ActiveRelease(Part):
    """What serves users."""

    release: str = Field(description="The BookStoreRelease.")
    colour: str = Field(description="Its colour.")
    revision: int = Field(description="Its revision.")
    image: str = Field(description="Its image.")
    promoted_at: Time | None = Field(None, description="When it was promoted.")


class BookStoreStatus(Part):
    """What the operator says, for people: nothing is decided by it."""

    observed_generation: int = Field(
        0, description="The generation of the spec that was looked at."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Available, Ready, Reconciling, Stalled, DatabaseMigrated, BackupHealthy, "
        "AutoscalingHealthy.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    release: str | None = Field(None, description="The newest BookStoreRelease.")
    stage: str | None = Field(None, description="The stage it is at, while it goes on.")
    active: ActiveRelease | None = Field(None, description="What serves users.")
    replicas: int = Field(0, description="Pods of the active colour.")
    ready_replicas: int = Field(0, description="Those of them that are ready.")
    selector: str = Field("", description="The label selector of the active colour's Pods.")
    schema_revision: str | None = Field(
        None, alias="schema", description="The newest schema revision that is applied."
    )
    last_backup_at: Time | None = Field(None, description="When the last backup succeeded.")


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
