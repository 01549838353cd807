"""The native core. Only :mod:`fleetgate.engine._ffi` imports it.

Every call detaches from the GIL. Errors are the classes of :mod:`fleetgate.engine.exceptions`.
"""

from collections.abc import Sequence
from typing import final

__all__ = [
    "BatchDecision",
    "Decision",
    "Document",
    "Engine",
    "Generation",
    "LintFinding",
    "LintReport",
    "LintRule",
    "REGORUS_VERSION",
    "RegoAnswers",
    "SOURCE_DIGEST",
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
    ) -> Engine:
        """``contexts`` and ``constraint_instructions`` of 0 mean the default (cores; the core's own budget).

        ``cross_check`` is the share of reviews that regorus evaluates too. ``compatibility`` turns switches by name, as
        :class:`fleetgate.config.model.Compatibility` lists them; others are as Gatekeeper 3.23 behaves. Raises
        ValueError for a share, a switch or a value that there is not.
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
    def replace_inventory(self, cluster: str, objects: Sequence[bytes]) -> int:
        """Replace the inventory of a cluster by objects (JSON), returning the snapshot's number.

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

    def __new__(cls, engine: Engine, *, exec_commands: Sequence[str] = (), concurrent_relists: int = 8) -> Feeds:
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

        Without ``feed`` there is a connection for ``watch_objects`` and ``write`` only. A server that does not answer is
        tried until it does. Raises DialError where the kubeconfig cannot be used.
        """
    def disconnect(self, cluster: str) -> None:
        """End a cluster's feed, or its agent's stream."""
    def plan(
        self,
        cluster: str,
        kinds: Sequence[_Kind],
        matching: Sequence[tuple[Sequence[str], Sequence[str]]] = (),
        *,
        bounds: Sequence[tuple[_Kind, float]] = (),
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
        object: bytes,
        *,
        field_manager: str = "fleetgate",
        path: str = "",
        timeout_seconds: float = 5.0,
    ) -> bytes:
        """Make one request and return the answer's JSON. Raises WriteError.

        ``verb`` is create, apply, update, update-status, delete or get; ``path`` replaces the one that the object has.
        """
    def listen(
        self, address: str, *, certificate: bytes, key: bytes, client_ca: bytes, trust_domain: str = ""
    ) -> str:
        """Serve ``FeedService`` for agents on an IP address and port, with PEM certificates; return the address.

        Raises OSError.
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
        exec_commands: Sequence[str] = (),
    ) -> Agent:
        """Stream to ``https://host:port`` endpoints; PEM files are read again at each connection.

        Without a ``kubeconfig`` the Pod's ServiceAccount is used.
        """
    def status(self) -> list[tuple[str, bool, str]]:
        """(endpoint, whether the service has welcomed the agent, why not)."""
    def close(self) -> None: ...
