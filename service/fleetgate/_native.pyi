"""The native core. Only :mod:`fleetgate.engine._ffi` imports it.

Every call detaches from the GIL. Errors are the classes of :mod:`fleetgate.engine.exceptions`.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, final

from fleetgate.engine.exceptions import Diagnostic

__all__ = [
    "Agent",
    "AuditRun",
    "BatchDecision",
    "ClusterFeed",
    "ClusterIdentity",
    "ClusterStatus",
    "ContinuousAudit",
    "Decision",
    "Document",
    "Engine",
    "Feeds",
    "Generation",
    "KindFeed",
    "KindStatus",
    "LintFinding",
    "LintReport",
    "LintRule",
    "ObjectWatch",
    "REGORUS_VERSION",
    "RegoAnswers",
    "ResourcesApplied",
    "SOURCE_DIGEST",
    "ViolationListing",
    "WatchPlan",
    "evaluate_rego",
    "lint_files",
    "lint_rules",
    "read_documents",
]

SOURCE_DIGEST: str
"""SHA-256 over the sources of ``native/`` that the extension was built from: the stale-extension guard compares it."""

REGORUS_VERSION: str
"""Version of regorus, the engine that cross-checks, for instance ``0.14.1``."""

@final
class Document:
    """One document of a YAML stream or JSON file, read as sigs.k8s.io/yaml reads it (YAML 1.1 scalars)."""

    @property
    def line(self) -> int:
        """1-based line of its first node."""
    @property
    def json(self) -> bytes:
        """The document as JSON; integers exact."""

def read_documents(path: str, data: bytes) -> list[Document]:
    """Split and convert a file. Empty documents are left out.

    Raises :class:`~fleetgate.engine.exceptions.PolicyError` with a located diagnostic for what does not parse.
    """

@final
class RegoAnswers:
    """What a query was answered with."""

    @property
    def json(self) -> bytes:
        """A JSON array with an object for each answer, as in ``result`` of ``opa eval``; numbers as Rego has them."""
    @property
    def prints(self) -> list[str]:
        """Lines that ``print`` wrote."""

def evaluate_rego(
    query: str,
    modules: Sequence[tuple[str, str]],
    *,
    data: Sequence[tuple[str, Sequence[str], bytes]] = ...,
    input: tuple[str, bytes] | None = None,  # noqa: A002 (Rego's name)
    v0: bool = False,
    package: str = ...,
    imports: Sequence[str] = ...,
    expressions: bool = False,
    strict: bool = False,
    timeout_seconds: float = 60.0,
) -> RegoAnswers:
    """Evaluate a query against modules (name, text).

    ``data`` are documents (name, path below ``data``, text) that are merged; ``input`` is (name, text). A text is JSON,
    or YAML where its name does not end in ``.json``. ``expressions`` answers as ``opa eval`` does, with the values of
    expressions, of which ``False`` is one; without it an answer has bindings only. ``strict`` makes errors of built-ins
    errors of the query. Raises :class:`~fleetgate.engine.exceptions.RegoError`.
    """

@final
class LintRule:
    """A code of the linter. Codes and their meaning never change."""

    @property
    def code(self) -> str:
        """Such as ``FG101``."""
    @property
    def name(self) -> str:
        """The same for people, such as ``unscoped-match``."""
    @property
    def severity(self) -> str:
        """``info``, ``warning`` or ``error``."""
    @property
    def summary(self) -> str:
        """What it means, in one line."""

@final
class LintFinding:
    """One thing to look at."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def line(self) -> int:
        """1-based; 0 where unknown."""
    @property
    def column(self) -> int:
        """1-based, in characters; 0 where unknown."""
    @property
    def field(self) -> str:
        """Path inside the document, such as ``spec.match.kinds[0]``; empty inside Rego."""
    @property
    def hint(self) -> str:
        """How to mend it; may be empty."""

@final
class LintReport:
    """What :func:`lint_files` found."""

    @property
    def findings(self) -> list[LintFinding]:
        """Sorted by place, then code. What the files silence is left out."""
    @property
    def templates(self) -> int: ...
    @property
    def constraints(self) -> int: ...
    @property
    def others(self) -> int:
        """Documents that are no policies and were passed over."""

def lint_files(files: Sequence[tuple[str, bytes]]) -> LintReport:
    """Look at (path, content) files as one bundle: what would be refused, and what is suspicious.

    Nothing is published. Never raises for what the files hold: that is what it reports.
    """

def lint_rules() -> list[LintRule]:
    """Every code, sorted."""

@final
class Generation:
    """A published set of policies."""

    @property
    def number(self) -> int: ...
    @property
    def digest(self) -> str:
        """SHA-256 of the canonical content, lower-case hexadecimal."""
    @property
    def templates(self) -> int: ...
    @property
    def constraints(self) -> int: ...
    @property
    def bundles(self) -> list[str]:
        """Names of its bundles, sorted."""

@final
class ResourcesApplied:
    """What applying custom resources gave."""

    @property
    def generation(self) -> Generation:
        """The generation that is published afterwards."""
    @property
    def changed(self) -> bool:
        """Whether it is a new one."""
    @property
    def defects(self) -> list[tuple[str, tuple[Diagnostic, ...]]]:
        """What counts for nothing, sorted by key, and why.

        A Constraint of a bundle whose template was a custom resource that went is here under its file's path.
        """

@final
class WatchPlan:
    """What has to be watched in a cluster. Secrets never are."""

    @property
    def kinds(self) -> list[tuple[str, str, str]]:
        """(group, version, kind): Namespaces, what ``data.inventory`` shows, and what fleet templates read."""
    @property
    def matching(self) -> list[tuple[list[str], list[str]]]:
        """(groups, kinds) that audited Constraints match, at whatever version is preferred; ``*`` is any."""
    @property
    def bounds(self) -> list[tuple[tuple[str, str, str], float]]:
        """Kinds that have to be fresh, with the shortest ``fleetgate.dev/max-staleness`` of their readers, seconds."""

@final
class Decision:
    """One answer, encoded, with what telemetry wants to know of it."""

    @property
    def response(self) -> bytes:
        """The encoded ``fleetgate.v1.ReviewResponse``."""
    @property
    def decision_id(self) -> str: ...
    @property
    def admission_status(self) -> str:
        """``allow``, ``deny`` or ``error``, as Gatekeeper's metrics say it."""
    @property
    def dry_run(self) -> bool:
        """Whether the request was a server-side dry run."""
    @property
    def cluster(self) -> str: ...
    @property
    def generation(self) -> int: ...
    @property
    def stage_nanos(self) -> tuple[int, int, int, int]:
        """Wall time of decode, match, evaluate, encode, in nanoseconds."""
    @property
    def cpu_nanos(self) -> int:
        """CPU time of the calling thread inside the core, in nanoseconds."""
    @property
    def constraints_matched(self) -> int: ...
    @property
    def compared(self) -> int:
        """Evaluations that the engine that cross-checks answered too; 0 where the review was not cross-checked."""
    @property
    def disagreements(self) -> list[tuple[str, str]]:
        """Kind and name of the Constraints on which the engine that cross-checks differs; the answer is not changed."""

@final
class BatchDecision:
    """Answers of a batch."""

    @property
    def response(self) -> bytes:
        """The encoded ``fleetgate.v1.BatchReviewResponse``."""
    @property
    def items(self) -> list[Decision]:
        """The decisions that were made, in order; ``response`` of each is empty."""
    @property
    def cpu_nanos(self) -> int: ...

@final
class KindStatus:
    """How far one kind of a cluster is known."""

    @property
    def kind(self) -> tuple[str, str, str]:
        """Group, version, kind."""
    @property
    def state(self) -> str:
        """``PENDING``, ``LISTING``, ``SYNCED``, ``STALE`` or ``GONE``."""
    @property
    def reason(self) -> str:
        """Why it is not SYNCED, in words; may be empty."""
    @property
    def epoch(self) -> int:
        """Complete lists that were taken over so far."""
    @property
    def resource_version(self) -> str:
        """The collection's resourceVersion up to which it is complete."""
    @property
    def observed_at(self) -> float | None:
        """When it was last known to be complete, in seconds since 1970."""
    @property
    def objects(self) -> int: ...
    @property
    def json_bytes(self) -> int: ...
    @property
    def stored_bytes(self) -> int:
        """Bytes as they are kept, without what the index over them takes."""

@final
class ClusterStatus:
    """A cluster that is known to the core."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def aliases(self) -> list[str]: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def cluster_set(self) -> str: ...
    @property
    def connection(self) -> str:
        """``UNKNOWN``, ``CONNECTING``, ``CONNECTED`` or ``DISCONNECTED``."""
    @property
    def reason(self) -> str:
        """Why it is not connected, in words; may be empty."""
    @property
    def state(self) -> str:
        """That of the least trustworthy kind; ``PENDING`` where no kind is cached."""
    @property
    def age_seconds(self) -> float | None:
        """How long ago all kinds were last known to be complete; None where one never was."""
    @property
    def revision(self) -> int: ...
    @property
    def durable_revision(self) -> int:
        """The snapshot that is on disk; 0 for none."""
    @property
    def kinds(self) -> list[KindStatus]: ...

@final
class AuditRun:
    """A run in progress; its threads are the core's. Thread-safe. A run that nobody holds any more ends."""

    def next(self, timeout_seconds: float = 1.0) -> list[bytes]:
        """Encoded ``fleetgate.v1.RunAuditResponse`` messages, in order: all that wait, or the first that comes in time.

        Empty where none came, and from the end on. A reader that is slow slows the run. Raises DeadlineExceeded once
        what was found before the run's deadline was taken.
        """
    @property
    def finished(self) -> bool:
        """Whether the last message was taken; a summary is the last one of a run that was not cut off."""
    def cancel(self) -> None:
        """End the run: no message comes any more, and no summary. Does nothing the second time."""

@final
class ViolationListing:
    """All violations there were at one moment, in bounded batches; what is judged meanwhile changes nothing of it."""

    def next(self, timeout_seconds: float = 1.0) -> list[bytes]:
        """The next encoded ``fleetgate.v1.AuditFindings``, as a list of one; empty at the end. Waits for nothing."""
    @property
    def finished(self) -> bool:
        """Whether the last batch was taken."""

@final
class ContinuousAudit:
    """The result of a run over all clusters at all times, of which only what changed is made anew.

    Thread-safe; one thread drives it.
    """

    def __new__(cls, engine: Engine, *, volatile_seconds: float = 60.0) -> ContinuousAudit:
        """Nothing is judged yet.

        Constraints whose programs depend on the clock, or on how old something is, are judged anew every
        ``volatile_seconds``. Raises ValueError.
        """
    def step(self, timeout_seconds: float = 1.0) -> list[bytes]:
        """Judge what changed, for so long at most, and return encoded ``fleetgate.v1.ViolationChanges``.

        Empty where nothing came or went. Where nothing changed it waits for something to. Work that was not done goes
        on with the next step. The first run reports every violation as new.
        """
    def violations(self, scope: bytes = ..., *, cluster: str | None = None) -> ViolationListing:
        """All violations that an encoded ``fleetgate.v1.AuditScope`` chooses, sorted as in a run.

        ``cluster`` is the one that the caller is bound to. Raises InvalidRequest.
        """
    def summary(self, scope: bytes = ..., *, cluster: str | None = None) -> bytes:
        """The encoded ``fleetgate.v1.AuditSummary`` of what a scope chooses; empty until everything was judged once.

        Raises InvalidRequest.
        """
    @property
    def reviews(self) -> int:
        """Reviews that were made so far."""
    @property
    def cpu_nanos(self) -> int:
        """CPU time that was spent so far."""

@final
class Engine:
    """Policies, inventory and evaluation contexts of one process. Thread-safe."""

    def __new__(
        cls,
        *,
        contexts: int = 0,
        constraint_instructions: int = 0,
        constraint_seconds: float = 0.1,
        review_seconds: float = 1.0,
        cross_check: float = 0.0,
        compatibility: dict[str, str] | None = None,
        state_directory: str | PathLike[str] | None = None,
        view_bytes: int = 0,
        ready_bytes: int | None = None,
        write_behind_seconds: float = 1.0,
    ) -> Engine:
        """``contexts`` and ``constraint_instructions`` of 0 mean the default (cores; the core's own budget).

        ``cross_check`` is the share of reviews that regorus evaluates too. ``compatibility`` turns switches by name, as
        :class:`fleetgate.config.model.Compatibility` lists them; others are as Gatekeeper 3.23 behaves. Inventories are
        kept in ``state_directory`` too, written ``write_behind_seconds`` behind. ``view_bytes`` is what the objects
        that one program reads may take as values, estimated; 0 means the default. Up to ``ready_bytes`` of such values,
        of all clusters together, are made before a decision asks. Raises ValueError for a share, a switch or a value
        that there is not, OSError for a directory that cannot be used.
        """
    @property
    def contexts(self) -> int: ...
    @property
    def generation(self) -> Generation: ...
    def apply_bundle(self, name: str, files: Sequence[tuple[str, bytes]], *, dry_run: bool = False) -> Generation:
        """Replace a bundle by (path, content) files; no files removes it. All or nothing.

        Documents of other groups than templates.gatekeeper.sh and constraints.gatekeeper.sh are refused, except those
        that Gatekeeper's tools skip (``Suite``). Returns the generation that is published afterwards (the same number
        when nothing changed). Raises PolicyError with every located diagnostic; the published generation stays.
        """
    def apply_resources(
        self, scope: str, objects: Sequence[tuple[str, bytes]], *, dry_run: bool = False
    ) -> ResourcesApplied:
        """Replace the custom resources of a scope by (key, JSON) objects; none removes them.

        ``scope`` is empty for the fleet's, else a cluster's canonical name. A bad object is left out and reported, the
        rest is published. Keys are the caller's, one for each object; they stand for a path in diagnostics.
        """
    def watch_plan(self, cluster: str) -> WatchPlan:
        """What to watch in a cluster so that its policies can be decided and audited, by its labels as described."""
    def replace_inventory(self, cluster: str, objects: Sequence[bytes]) -> int:
        """Replace the inventory of a cluster by objects (JSON), returning the snapshot's number.

        Raises InvalidRequest.
        """
    @property
    def damaged_files(self) -> list[tuple[Path, str]]:
        """Files of the state directory that could not be read: where they were moved, and what is wrong."""
    def write_inventory(self, cluster: str, changes: Sequence[tuple[object, ...]]) -> tuple[int, list[tuple[int, str]]]:
        """Make changes to a cluster's objects and publish one snapshot with all of them.

        A change is its name, the kind as (group, version, kind), and what belongs to it: ``begin``, ``listed`` (JSON),
        ``finish`` (resourceVersion, seconds since 1970), ``abort``, ``put`` (JSON), ``delete`` (namespace, name,
        resourceVersion), ``observed`` (resourceVersion, seconds since 1970), ``state`` (state, reason), ``forget``.
        Times may be left out. Returns the snapshot's number, and the changes that were left out: index and why.
        """
    def flush_inventory(self, cluster: str, revision: int, *, timeout_seconds: float = 10.0) -> None:
        """Wait until a snapshot or a later one is on disk. Raises InternalError."""
    def describe_cluster(
        self,
        name: str,
        *,
        uid: str,
        aliases: Sequence[str],
        labels: dict[str, str],
        cluster_set: str,
        connection: str | None = None,
        reason: str = "",
    ) -> None:
        """Say what is known of a cluster besides its objects; it is there from now on.

        Without ``connection`` it is DISCONNECTED where there is a ``reason``, CONNECTING without a ``uid``, else
        CONNECTED.
        """
    def remove_cluster(self, name: str) -> None:
        """Drop a cluster with its objects, on disk too."""
    def clusters(self) -> list[ClusterStatus]:
        """All clusters, sorted by name."""
    def list_clusters(self, request: bytes, *, cluster: str | None = None) -> bytes:
        """Answer an encoded ``fleetgate.v1.ListClustersRequest``; ``cluster`` is the one that the caller is bound to.

        Raises InvalidRequest.
        """
    def query_inventory(self, request: bytes, *, cluster: str | None = None) -> bytes:
        """Answer an encoded ``fleetgate.v1.QueryInventoryRequest``; ``cluster`` is the one that the caller is bound to.

        Raises InvalidRequest.
        """
    def review(self, request: bytes, *, cluster: str | None = None, timeout_seconds: float | None = None) -> Decision:
        """Decide an encoded ``fleetgate.v1.ReviewRequest``.

        ``cluster`` is the name that the caller's certificate carries: it must equal the request's or the request's is
        empty. Raises InvalidRequest, ClusterMismatch, DeadlineExceeded, Overloaded, InternalError.
        """
    def batch_review(
        self, request: bytes, *, cluster: str | None = None, timeout_seconds: float | None = None
    ) -> BatchDecision:
        """Decide an encoded ``fleetgate.v1.BatchReviewRequest`` on one generation.

        Raises as ``review``, and RequestTooLarge.
        """
    def start_audit(
        self, request: bytes, *, cluster: str | None = None, timeout_seconds: float | None = None
    ) -> AuditRun:
        """Start the run that an encoded ``fleetgate.v1.RunAuditRequest`` asks for.

        ``cluster`` is the one that the caller is bound to. Raises InvalidRequest, DeadlineExceeded, InternalError.
        """
    def start_what_if(
        self, request: bytes, *, cluster: str | None = None, timeout_seconds: float | None = None
    ) -> AuditRun:
        """Start the what-if that an encoded ``fleetgate.v1.WhatIfRequest`` asks for; messages are ``WhatIfResponse``.

        Nothing is published. Raises as ``start_audit``, and PolicyError with each defect of the proposed policies.
        """
    def explain(self, request: bytes, *, cluster: str | None = None, timeout_seconds: float | None = None) -> bytes:
        """Explain an encoded ``fleetgate.v1.ExplainRequest``: the encoded ``ExplainResponse``.

        Raises as ``review``; an object that is not cached is InvalidRequest.
        """
    def list_templates(self) -> bytes:
        """The encoded ``fleetgate.v1.ListTemplatesResponse``."""
    def list_constraints(self) -> bytes:
        """The encoded ``fleetgate.v1.ListConstraintsResponse``."""

_Kind = tuple[str, str, str]
"""(group, version, kind)."""
_Selector = tuple[str, str, str, str, str, str]
"""(group, version, kind, namespace, label selector, field selector); "" is any."""

@final
class Feeds:
    """The feeds of a fleet: what happens in clusters, into the engine's inventory. Thread-safe."""

    def __new__(cls, engine: Engine, *, exec_commands: Sequence[str] = ..., concurrent_relists: int = 8) -> Feeds:
        """``exec_commands`` are the exec plug-ins that kubeconfigs may run, as they spell them.

        ``concurrent_relists`` is how many collections are listed at a time, over all clusters.
        """
    def identify(self, kubeconfig: str, timeout_seconds: float = 5.0, *, local: bool = False) -> ClusterIdentity:
        """Ask a cluster who it is. Raises DialError.

        ``local`` says that the kubeconfig comes from this machine's own files: only then it may name other files of it
        and set an exec plug-in's environment.
        """
    def connect(self, cluster: str, kubeconfig: str, *, feed: bool = True, local: bool = False) -> None:
        """Connect a cluster, or connect it again with other credentials: what is synced is not listed again.

        Without ``feed`` there is a connection for ``watch_objects`` and ``write`` only. A server that does not answer
        is tried until it does. Raises DialError where the kubeconfig cannot be used.
        """
    def disconnect(self, cluster: str) -> None:
        """End a cluster's feed, or its agent's stream."""
    def plan(
        self,
        cluster: str,
        kinds: Sequence[_Kind],
        matching: Sequence[tuple[Sequence[str], Sequence[str]]] = ...,
        *,
        bounds: Sequence[tuple[_Kind, float]] = ...,
    ) -> None:
        """Say what to watch: kinds at exactly these versions, and (groups, kinds) at preferred ones (``*`` is any).

        Namespaces always are, Secrets never. ``bounds`` are greatest ages of kinds in seconds; those are probed.
        """
    def relist(self, cluster: str, kinds: Sequence[_Kind]) -> None:
        """List kinds anew while what was read before keeps serving."""
    def status(self) -> list[ClusterFeed]: ...
    def watch_objects(self, cluster: str, selectors: Sequence[_Selector]) -> ObjectWatch:
        """Watch objects without keeping them. Raises DialError where the cluster is not connected.

        Secrets are watched in a namespace and by label or name only.
        """
    def write(
        self,
        cluster: str,
        verb: str,
        object: bytes,  # noqa: A002 (Kubernetes' word)
        *,
        field_manager: str = "fleetgate",
        path: str = "",
        timeout_seconds: float = 5.0,
    ) -> bytes:
        """Make one request and return the answer's JSON. Raises WriteError.

        ``verb`` is create, apply, update, update-status, delete or get; ``path`` replaces the one that the object has.
        """
    def listen(self, address: str, *, certificate: bytes, key: bytes, client_ca: bytes, trust_domain: str = "") -> str:
        """Serve ``FeedService`` for agents on an IP address and port, with PEM certificates; return the address.

        Raises OSError.
        """
    def renew_certificates(self, *, certificate: bytes, key: bytes, client_ca: bytes) -> None:
        """Show other certificates to agents that connect from now on; streams that are open stay.

        Raises OSError, and those before stay.
        """
    def close(self) -> None: ...

@final
class ClusterIdentity:
    """Who a cluster is."""

    @property
    def uid(self) -> str:
        """UID of the Namespace kube-system."""
    @property
    def version(self) -> str: ...

@final
class ClusterFeed:
    """The feed of a cluster. Times are Unix seconds."""

    @property
    def cluster(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def since(self) -> float: ...
    @property
    def last_error(self) -> str:
        """Why the cluster as a whole cannot be read; empty while it can."""
    @property
    def reason(self) -> str:
        """That in one word, as DialError has it."""
    @property
    def pushed(self) -> bool:
        """Whether an agent sends it."""
    @property
    def uid(self) -> str:
        """UID that the agent says; empty for clusters that are dialled."""
    @property
    def labels(self) -> dict[str, str]:
        """Labels, as the agent says them; none for clusters that are dialled."""
    @property
    def connected(self) -> bool:
        """Whether the cluster answers, or its agent streams."""
    @property
    def kinds(self) -> list[KindFeed]: ...

@final
class KindFeed:
    """The feed of a kind."""

    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def resource_version(self) -> str: ...
    @property
    def observed_at(self) -> float | None: ...
    @property
    def objects(self) -> int: ...
    @property
    def last_error(self) -> str: ...
    @property
    def not_audited(self) -> str:
        """Why the kind is never read; empty for kinds that are."""

@final
class ObjectWatch:
    """Selected objects of a cluster, event by event."""

    def next(self, timeout_seconds: float = 1.0) -> list[tuple[Any, ...]]:
        """Return the next events, at least one; none at the timeout.

        ``("synced", selector)``, ``("put", selector, group, version, kind, json)``,
        ``("delete", selector, group, version, kind, namespace, name)`` or ``("failed", selector, words)``.
        """
    def select(self, selectors: Sequence[_Selector]) -> None:
        """Watch these from now on; those that were there go on undisturbed. Raises DialError."""
    def close(self) -> None: ...

@final
class Agent:
    """The feed of one cluster, streamed to the service; runs until it is closed. Thread-safe."""

    def __new__(
        cls,
        endpoints: Sequence[str],
        *,
        certificate: str | PathLike[str],
        key: str | PathLike[str],
        ca: str | PathLike[str],
        kubeconfig: str = "",
        server_name: str = "",
        exec_commands: Sequence[str] = ...,
        labels: Mapping[str, str] = ...,
    ) -> Agent:
        """Stream to ``https://host:port`` endpoints; PEM files are read again at each connection.

        Without a ``kubeconfig`` the Pod's ServiceAccount is used. ``labels`` are the cluster's. Raises OSError where an
        endpoint or a file cannot be used.
        """
    def status(self) -> list[tuple[str, bool, str]]:
        """(endpoint, whether the service has welcomed the agent, why not)."""
    def close(self) -> None: ...
