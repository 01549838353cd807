"""What can be configured. A field's description is its help in flags, JSON schema and ``docs/configuration.md``."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1024 * 1024

_NAME = r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?"
_LEASE = re.compile(f"{_NAME}/{_NAME}")

HUB_SOURCES = (
    "cluster-api",
    "rancher",
    "fleet",
    "istio",
    "linkerd",
    "secret",
    "argo-cd",
    "cluster-profile",
    "ocm",
    "gardener",
    "karmada",
)


def _split(value: object) -> object:
    """Read ``a,b`` as a list: environment variables have no other way to say it."""
    if isinstance(value, str):
        return [part for part in (piece.strip() for piece in value.split(",")) if part]
    return value


def _name_null(value: object) -> object:
    """Read YAML's ``null`` as the word."""
    return "null" if value is None else value


Names = Annotated[list[str], NoDecode, BeforeValidator(_split)]
Paths = Annotated[list[Path], NoDecode, BeforeValidator(_split)]


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(Section):
    """Certificates of the gRPC listener. All three are read again when they change; connections stay open."""

    certificate: Path | None = Field(
        default=None,
        description="PEM file with the server's certificate chain, leaf first.",
    )
    key: Path | None = Field(default=None, description="PEM file with the private key of `tls.certificate`.")
    client_ca: Path | None = Field(
        default=None,
        description="PEM file with the CAs of client certificates. Turns on mutual TLS: every caller needs a "
        "certificate whose URI SAN names its cluster and role. Without it callers are anonymous and may only review.",
    )
    trust_domain: str = Field(
        default="",
        description="Trust domain that client certificates must name; empty takes any that `tls.client_ca` signed.",
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`tls.certificate` and `tls.key` go together")
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("`tls.client_ca` needs `tls.certificate` and `tls.key`")
        return self


class Reload(Section):
    """How changes of policy directories are noticed."""

    debounce_ms: int = Field(
        default=100, ge=1, le=60_000, description="Quiet time that ends a burst of changes, in milliseconds."
    )
    rescan_seconds: PositiveFloat = Field(
        default=30.0, description="Look at the directories at least this often, should the file system report nothing."
    )
    polling: bool = Field(
        default=False, description="Poll instead of relying on change notifications (network file systems have none)."
    )
    allow_empty: bool = Field(
        default=False,
        description="Publish that a directory lost its last policy file. Without it that is an error and the last good "
        "policies stay: a volume that is not mounted any more looks the same.",
    )


class Review(Section):
    """Limits of one decision."""

    threads: PositiveInt = Field(
        default=128,
        le=1024,
        description="Threads that answer Review and BatchReview, made as they are needed. A call that has not sent its "
        "message yet holds one: more than `grpc.max_concurrent_streams`, and one connection cannot take them all.",
    )
    contexts: int = Field(default=0, ge=0, le=1024, description="Evaluation contexts; 0 means one per core.")
    constraint_seconds: PositiveFloat = Field(default=0.1, description="Time budget of one constraint.")
    review_seconds: PositiveFloat = Field(default=1.0, description="Time budget of one review.")
    constraint_instructions: int = Field(
        default=0, ge=0, description="Instruction budget of one constraint; 0 means the core's own."
    )


class Evaluation(Section):
    """How policies are evaluated."""

    cross_check: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the reviews that a second, independent engine (regorus) evaluates too, on what is left "
        "of the review's time. Differences are counted and logged; the answer is never changed. With any share, "
        "policies are compiled twice, and templates that read the inventory take a copy of it per evaluation context.",
    )


class Compatibility(Section):
    """Where Gatekeeper 3.23 could be better, fleetgate does as it does, so that a policy means the same in both. Each
    setting is such a place; `docs/support-matrix.md` has them beside all else that may differ."""

    numbers: Literal["gatekeeper-3.23", "exact"] = Field(
        default="gatekeeper-3.23",
        description="Numbers of reviews and of the inventory. `gatekeeper-3.23`: doubles, so that 1000000 prints as "
        "`1e+06` and integers beyond 2⁵³ are rounded. `exact`: as they are written.",
    )
    namespace_object_absent: Annotated[Literal["empty", "null"], BeforeValidator(_name_null)] = Field(
        default="empty",
        description="What `input.review.namespaceObject` is where there is no Namespace: `{}`, or `null` as in "
        "Gatekeeper's documentation.",
    )
    lib_rewrite: Literal["shallow", "deep"] = Field(
        default="shallow",
        description="References to `data.lib` that reach a template's libraries: `shallow`, those that stand alone and "
        "not inside an array, comprehension, call or other reference; `deep`, all.",
    )
    error_spread: Literal["kind", "constraint"] = Field(
        default="kind",
        description="Who reports that a template's program failed: every matching constraint of the `kind`, or the "
        "`constraint` alone for which it failed.",
    )
    nonstring_msg: Literal["fail-review", "violation"] = Field(
        default="fail-review",
        description="What a violation does whose `msg` is no string: fail the whole review, or be a violation with the "
        "value as JSON for its message.",
    )
    empty_enforcement_action: Literal["ignore", "deny"] = Field(
        default="ignore",
        description='What a constraint with `enforcementAction: ""` does: nothing, or as `deny`.',
    )
    inventory_empty_parents: Literal["keep", "prune"] = Field(
        default="keep",
        description="Whether a namespace, groupVersion or kind stays in `data.inventory`, as an empty object, when its "
        "last object is gone.",
    )
    auto_sync: Literal["off", "referenced"] = Field(
        default="off",
        description="Kinds that `data.inventory` holds beside those that a Config or SyncSet names: none, or those "
        "that templates with constraints require by `metadata.gatekeeper.sh/requires-sync-data`.",
    )
    terminating_objects: Literal["absent", "present"] = Field(
        default="absent", description="Whether `data.inventory` holds objects with a `deletionTimestamp`."
    )
    unstable_namespace: Literal["absent", "present"] = Field(
        default="absent",
        description="Whether the Namespace is at `input.review._unstable.namespace` too, as before Gatekeeper 3.9.",
    )


class Grpc(Section):
    """Limits of the gRPC listener."""

    max_receive_bytes: PositiveInt = Field(default=8 * MIB, description="Largest request message.")
    max_metadata_bytes: PositiveInt = Field(default=16 * 1024, description="Largest set of request headers.")
    max_concurrent_streams: PositiveInt = Field(default=100, description="Calls at a time on one connection.")
    max_concurrent_rpcs: PositiveInt = Field(
        default=1000, description="Calls at a time in all; beyond it they are refused with RESOURCE_EXHAUSTED."
    )
    max_connections: PositiveInt = Field(default=4096, description="Connections at a time.")
    max_connection_age_seconds: PositiveFloat = Field(
        default=1800.0,
        description="Age at which a connection is asked to close (10 % jitter), so that load spreads anew.",
    )
    max_connection_age_grace_seconds: PositiveFloat = Field(
        default=60.0, description="Time that calls on a connection past its age have to finish."
    )
    handshake_seconds: PositiveFloat = Field(default=10.0, description="Time for the TLS and HTTP/2 handshake.")
    min_ping_interval_seconds: PositiveFloat = Field(
        default=10.0, description="Shortest interval of keepalive pings that a client may use."
    )
    max_ping_strikes: PositiveInt = Field(default=2, description="Pings too early after which a connection is closed.")
    reflection_seconds: PositiveFloat = Field(default=60.0, description="Longest life of a reflection stream.")


class Drain(Section):
    """What happens on SIGTERM and SIGINT; a second signal exits at once."""

    delay_seconds: NonNegativeFloat = Field(
        default=5.0,
        description="Time between NOT_SERVING and the end of accepting calls: what load balancers need to notice.",
    )
    grace_seconds: NonNegativeFloat = Field(default=25.0, description="Time that calls in flight have to finish.")


class Metrics(Section):
    """Prometheus endpoint, which also serves `/healthz` and `/readyz`."""

    listen: str = Field(
        default="127.0.0.1:9464",
        description="Address of `/metrics`, `/healthz` and `/readyz` (HTTP); empty turns it off.",
    )
    clusters: Names = Field(
        default_factory=list,
        description="Clusters with a `cluster` label of their own in metrics; all others are counted as `other`.",
    )


class Otlp(Section):
    """Export by OTLP over gRPC."""

    endpoint: str = Field(
        default="",
        description="Collector, for instance `http://localhost:4317`; empty turns export off.",
    )
    headers: SecretStr = Field(
        default=SecretStr(""),
        description="Headers of the export, `name=value` separated by commas (tokens: kept secret).",
    )
    metrics_interval_seconds: PositiveFloat = Field(default=30.0, description="Interval of metric exports.")


class Trace(Section):
    """Traces, exported by OTLP."""

    sample_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of sampled calls among those without a parent; a parent decides else.",
    )


class Log(Section):
    """Logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Least severity that is logged.",
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto",
        description="`auto`: text on a terminal, else JSON.",
    )
    denies: bool = Field(
        default=False, description="Log every violation (deny, warn, dryrun) at info, as Gatekeeper's `--log-denies`."
    )
    audit: bool = Field(
        default=False,
        description="Log violations that audits find at info, with the keys of Gatekeeper's audit log; each when it "
        "appears and when it is gone.",
    )


class Clusters(Section):
    """Clusters that the service dials. One API server is one cluster, however many sources register it."""

    kubeconfigs: Paths = Field(
        default_factory=list,
        description="Kubeconfig files; each context registers a cluster. Several are one list, as in `KUBECONFIG`: the "
        "first definition of a name wins. They are read again when they change.",
    )
    contexts: Names = Field(default_factory=list, description="Contexts to register; empty registers all.")
    exec_commands: Names = Field(
        default_factory=list,
        description="Credential plug-ins that kubeconfig files and `hub.exec_providers` may run, each exactly as it is "
        "written there. A kubeconfig in a Secret runs none.",
    )
    names: Names = Field(
        default_factory=list,
        description="Names of clusters, `NAME=UID` (of the namespace kube-system) or `NAME=SOURCE/KEY`, for instance "
        "`prod=kubeconfig/my-context`. Certificates and reviews use them. Else the first source in order names a "
        "cluster, for good.",
    )
    dial_seconds: PositiveFloat = Field(default=10.0, description="Time for a cluster to say who it is.")
    linger_seconds: NonNegativeFloat = Field(
        default=10.0, description="Time between the end of a cluster's last registration and its own."
    )
    settle_seconds: NonNegativeFloat = Field(
        default=10.0, description="Time to wait at start for all sources before a new cluster is named."
    )
    policies: bool = Field(
        default=True,
        description="Take policies from each cluster's ConstraintTemplates, Constraints, Config and SyncSets, for that "
        "cluster alone.",
    )
    write: bool = Field(
        default=True,
        description="Create the CustomResourceDefinitions of Constraints and write the status of templates and "
        "Constraints, as Gatekeeper does, in members and in the hub.",
    )
    writer: str = Field(
        default="fleetgate",
        description="Id of our entry in `status.byPod`. Replicas share it: they come to the same and write the same.",
    )
    gatekeeper_namespace: str = Field(default="gatekeeper-system", description="Namespace of the Config.")


class Hub(Section):
    """A cluster whose objects register clusters, and whose policies are the fleet's."""

    kubeconfig: Path | None = Field(default=None, description="Kubeconfig of the hub; without one there is no hub.")
    context: str = Field(default="", description="Its context; empty takes the current one.")
    namespaces: Names = Field(
        default_factory=list,
        description="Namespaces in which clusters are registered. Secrets are read there alone, by name or by label.",
    )
    sources: Names = Field(
        default_factory=list,
        description="Sources to read: cluster-api, rancher, fleet, istio, linkerd, secret, argo-cd, cluster-profile, "
        "ocm, gardener, karmada. Empty reads all.",
    )
    policies: bool = Field(
        default=True,
        description="Take the fleet's policies from the hub's ConstraintTemplates, Constraints, Config and SyncSets.",
    )
    exec_providers: Path | None = Field(
        default=None,
        description='JSON file of access providers of ClusterProfiles: `{"providers": [{"name", "execConfig"}]}`.',
    )
    ocm_account: str = Field(
        default="",
        description="ManagedServiceAccount whose token reads OCM's clusters: a Secret of this name, in each "
        "ManagedCluster's own namespace, is read by name.",
    )
    ocm_proxy: str = Field(default="", description="URL of OCM's cluster-proxy; empty dials the clusters' own URLs.")
    ocm_proxy_ca: Path | None = Field(default=None, description="PEM file with the CAs of `hub.ocm_proxy`.")
    gardener_seconds: float = Field(
        default=600.0, ge=60, description="Life of a viewer kubeconfig of a Shoot; it is renewed after two thirds."
    )

    lease: str = Field(
        default="kube-system/fleetgate",
        description="Lease on the hub, `NAMESPACE/NAME`, that says which replica writes into clusters "
        "(CustomResourceDefinitions, statuses). Empty: each replica does.",
    )

    @field_validator("lease")
    @classmethod
    def _named(cls, value: str) -> str:
        if value and not _LEASE.fullmatch(value):
            raise ValueError("NAMESPACE/NAME is expected")
        return value

    @field_validator("sources")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in HUB_SOURCES:
                raise ValueError(f"there is no source {name!r}: {', '.join(HUB_SOURCES)}")
        return value

    @model_validator(mode="after")
    def _has_hub(self) -> Self:
        if self.kubeconfig is None and (self.namespaces or self.sources or self.ocm_account):
            raise ValueError("`hub.kubeconfig` is missing")
        return self


class Feed(Section):
    """How objects come in."""

    listen: str = Field(
        default="",
        description="Address on which `fleetgate agent` streams; needs mutual TLS. Empty: clusters are dialled.",
    )
    cluster_sets: Names = Field(
        default_factory=list,
        description="Cluster sets of clusters that agents stream, `NAME=SET`; else `default`. An agent says the other "
        "labels of its cluster, but not whose objects it may see.",
    )
    gone_seconds: NonNegativeFloat = Field(
        default=0.0,
        description="A cluster whose agent stays away for so long is gone, with its objects and policies; 0: never.",
    )
    concurrent_relists: PositiveInt = Field(default=8, description="Collections that are listed at a time, in all.")


class InventorySection(Section):
    """The cache of the clusters' objects. It is kept in `state_directory`, where there is one."""

    view_bytes: int = Field(
        default=0, ge=0, description="Memory for the objects that one template reads, estimated; 0 means 256 MiB."
    )
    ready_bytes: int = Field(
        default=1024 * MIB,
        ge=0,
        description="Memory for what templates read, of all clusters together, that is made before anybody asks, "
        "estimated. The first decision that reads more waits for it.",
    )
    write_behind_seconds: PositiveFloat = Field(default=1.0, description="How far the disk may be behind.")


class Audit(Section):
    """Audits: what of that which exists is against the policies."""

    interval_seconds: NonNegativeFloat = Field(
        default=60.0,
        description="The continuous audit looks at changes as they come; metrics, kept runs and the status of "
        "Constraints follow once in this time. 0 turns it off, as Gatekeeper's `--audit-interval`; RunAudit is "
        "answered still.",
    )
    violations_limit: PositiveInt = Field(
        default=20,
        le=500,
        description="Violations that the status of a Constraint lists, as Gatekeeper's "
        "`--constraint-violations-limit`. `totalViolations` counts all.",
    )
    streams: PositiveInt = Field(
        default=16,
        le=256,
        description="RunAudit, WatchAudit and WhatIf at a time; each holds a thread of its own and none that answers "
        "reviews. Beyond it they are refused with RESOURCE_EXHAUSTED.",
    )
    database: SecretStr = Field(
        default=SecretStr(""),
        description="Where the history is kept: `postgresql://user:password@host/database`, which replicas share and "
        "which needs `pip install fleetgate[postgresql]`. Empty: a SQLite file in `state_directory`, or, without that, "
        "as long as the process lives.",
    )
    retention_days: PositiveFloat = Field(default=90.0, description="How long runs and changes are kept.")
    retention_changes: PositiveInt = Field(default=1_000_000, description="Changes that are kept at most.")


class Settings(BaseSettings):
    """All settings of `fleetgate serve`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="FLEETGATE_", env_nested_delimiter="__", validate_default=True
    )

    listen: str = Field(
        default="127.0.0.1:9443",
        description="Address of the gRPC listener (`host:port` or `unix:path`).",
    )
    insecure: bool = Field(
        default=False, description="Serve plaintext without identities; only on a loopback address or a UNIX socket."
    )
    policies: Paths = Field(
        default_factory=list,
        description="Directory (read recursively) or file of ConstraintTemplates, Constraints, Config and SyncSets, "
        "YAML or JSON. Together all of them make one bundle.",
    )
    state_directory: Path | None = Field(
        default=None,
        description="Where bundles of ApplyPolicies are stored; without it ApplyPolicies takes dry runs only.",
    )
    tls: Tls = Tls()
    reload: Reload = Reload()
    review: Review = Review()
    evaluation: Evaluation = Evaluation()
    compatibility: Compatibility = Compatibility()
    grpc: Grpc = Grpc()
    drain: Drain = Drain()
    clusters: Clusters = Clusters()
    hub: Hub = Hub()
    feed: Feed = Feed()
    inventory: InventorySection = InventorySection()
    audit: Audit = Audit()
    metrics: Metrics = Metrics()
    otlp: Otlp = Otlp()
    trace: Trace = Trace()
    log: Log = Log()

    @field_validator("insecure")
    @classmethod
    def _loopback_only(cls, value: bool, info: ValidationInfo) -> bool:
        listen = info.data.get("listen", "")
        if value and not is_local(listen):
            raise ValueError(f"plaintext is for loopback addresses and UNIX sockets only, not {listen!r}")
        return value

    @model_validator(mode="after")
    def _agents_have_certificates(self) -> Self:
        if self.feed.listen and self.tls.client_ca is None:
            raise ValueError("`feed.listen` needs `tls.certificate`, `tls.key` and `tls.client_ca`")
        return self

    @model_validator(mode="after")
    def _secure(self) -> Self:
        if self.insecure and self.tls.certificate is not None:
            raise ValueError("`insecure` and `tls.certificate` exclude each other")
        return self


def is_local(address: str) -> bool:
    """Whether a listening address can be reached from this machine only."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host, separator, _ = address.rpartition(":")
    host = host.strip("[]")
    if not separator or not host:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
