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
    STAGING = "staging"
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


def _cache_resources() -> Resources:
    return Resources(
        requests=ResourceAmounts(cpu="25m", memory="64Mi"),
        limits=ResourceAmounts(memory="128Mi"),
    )


SMALLEST_CACHE = "32Mi"

_CACHE_LIMIT = "self.resources.limits.memory"


class EmbeddedCache(
    Part,
    json_schema_extra=rules(
        (
            f"has(self.resources.limits) && has({_CACHE_LIMIT}) && "
            f"quantity(string({_CACHE_LIMIT})).compareTo(quantity('{SMALLEST_CACHE}')) >= 0",
            "cache.embedded.resources.limits.memory is needed, "
            f"{SMALLEST_CACHE} at least: the cache keeps what fits into it",
        )
    ),
):
    """One Valkey server of the BookStore's own. It keeps nothing when it ends."""

    resources: Resources = group(
        _cache_resources, "CPU and memory of the server; its memory limit is the cache's size."
    )


class ExternalCache(Part):
    """A Redis or Valkey that someone else runs, told by a Secret of the same namespace."""

    secret_name: ObjectName = Field(description="The Secret with the URI of Redis.")
    key: DataKey = Field("uri", description="The key of the URI (`redis://…`, `rediss://…`).")


class Cache(
    Part,
    json_schema_extra=rules(
        (
            "has(self.embedded) != has(self.external)",
            "give one of cache.embedded and cache.external",
        ),
    ),
):
    """A Redis for what the API's processes share: exactly one of the two."""

    embedded: EmbeddedCache | None = Field(
        None, description="One Valkey server of the BookStore's own."
    )
    external: ExternalCache | None = Field(
        None, description="A Redis or Valkey that someone else runs."
    )


class Staff(
    Part,
    json_schema_extra=rules(
        (
            "has(self.secretName) || !has(self.key) || self.key == 'token'",
            "staff.key needs staff.secretName: in the Secret that the operator makes "
            "the key is token",
        ),
    ),
):
    """The token that writes to the API need."""

    secret_name: ObjectName | None = Field(
        None,
        description="The Secret with the token, of 32 characters at least. When unset, the "
        "operator makes one that is named after the BookStore, with `-staff` behind.",
    )
    key: DataKey = Field("token", description="The key of the token.")


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
        30,
        description="How long the old colour stays warm, in seconds, once users have left it.",
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


RateLimit = Annotated[
    str, Field(max_length=30, pattern=r"^(off|[1-9][0-9]{0,8}/(second|minute|hour))$")
]
_HOST = r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)"
Origin = Annotated[str, Field(max_length=253, pattern=rf"^(\*|https?://{_HOST}(:[0-9]{{1,5}})?)$")]
ProxyNetwork = Annotated[
    str,
    Field(
        max_length=43,
        json_schema_extra=rules(
            (
                "isCIDR(self) && cidr(self) == cidr(self).masked()",
                "a trusted proxy is a network such as 10.0.0.0/8 or fd00::/8, "
                "with no bits set behind its prefix",
            )
        ),
    ),
]


class RateLimits(Part):
    """How many requests a client may send, counted by its address."""

    reads: RateLimit | None = Field(
        None,
        description="Of reads, for each API process: `6000/minute`; per second, minute or hour, "
        "or `off`.",
    )
    writes: RateLimit | None = Field(
        None,
        description="Of writes: `600/minute`, or `off`. For all processes together where there is "
        "a cache, else for each.",
    )


class Config(Part):
    """Settings of the API. What is unset is as the image has it for the environment."""

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
    docs: bool | None = Field(None, description="Whether `/docs` and `/openapi.json` are served.")
    cors_origins: Annotated[list[Origin], Field(max_length=50)] | None = Field(
        None,
        description="Web pages of which origins may use the API: `https://shop.example`. All by "
        "`*`, in development only.",
    )
    trusted_proxies: Annotated[list[ProxyNetwork], Field(max_length=50)] | None = Field(
        None,
        description="Networks of the proxies before the API, whose word about a client's address "
        "is taken: `10.0.0.0/8`.",
    )
    rate_limits: RateLimits = group(RateLimits, "How many requests a client may send.")
    max_body_bytes: int | None = Field(
        None, ge=1024, le=100 * 1024 * 1024, description="The largest body of a request, in bytes."
    )
    max_header_bytes: int | None = Field(
        None, ge=1024, le=1024 * 1024, description="The largest head of a request, in bytes."
    )
    header_seconds: int | None = Field(
        None, ge=1, le=300, description="How long a client may take to send a head, in seconds."
    )
    body_seconds: int | None = Field(
        None, ge=1, le=3600, description="How long a client may take to send a body, in seconds."
    )
    connection_max_age_seconds: int | None = Field(
        None,
        ge=1,
        le=86400,
        description="After how long a connection is closed behind an answer, in seconds.",
    )
    redis_timeout_milliseconds: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="How long a request waits for the cache at most, in thousandths of a second.",
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


LabelMap = Annotated[dict[str, LabelValue], Field(max_length=20)]


class Scrapers(
    Part,
    json_schema_extra=rules(
        (
            "has(self.namespaceLabels) || has(self.podLabels)",
            "give networkPolicy.monitoring.namespaceLabels, podLabels or both: "
            "who else would be let in?",
        ),
    ),
):
    """Pods by their labels and those of their namespace; both hold where both are given."""

    namespace_labels: LabelMap | None = Field(
        None,
        description="Labels of the Pods' namespace (`kubernetes.io/metadata.name` is its name); "
        "the BookStore's own namespace when unset.",
    )
    pod_labels: LabelMap | None = Field(
        None, description="Labels of the Pods; all Pods of the namespace when unset."
    )


class NetworkPolicy(Part):
    """Who may open connections to the Pods."""

    enabled: bool = Field(
        True,
        description="Let anyone to the public port of the API only, and only this BookStore's own "
        "Pods to its embedded database and cache.",
    )
    monitoring: Scrapers | None = Field(
        None,
        description="Who may reach the internal port, to scrape `/metrics`. The kubelet's probes "
        "always may.",
    )


class Monitoring(Part):
    """How the API's Pods are found by what collects metrics."""

    scrape_annotations: bool = Field(
        True,
        description="Annotate the API's Pods with `prometheus.io/scrape`, `port` and `path`.",
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
    database: Database = group(_embedded, "Where the books are kept.")
    cache: Cache | None = Field(
        None, description="A Redis for what the API's processes share; none when unset."
    )
    staff: Staff = group(Staff, "The token that writes to the API need.")
    migration: Migration = group(Migration, "How the schema is changed.")
    rollout: Rollout = group(Rollout, "How a release goes on.")
    backup: Backup | None = Field(None, description="Dumps of the database on a schedule.")
    config: Config = group(Config, "Settings of the API.")
    resources: Resources = group(_api_resources, "CPU and memory of each API Pod.")
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
        "AutoscalingHealthy, CacheHealthy.",
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
