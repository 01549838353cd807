"""Files as a cluster of the local engine: their policies are the fleet's, their objects all that the cluster has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer
from msgspec.structs import replace

from fleetgate_clients.audit.local import LocalEngineError
from fleetgate_clients.audit.report import Cluster, NotAudited, ObjectName, Place, Problem, Report
from fleetgate_clients.inventory.service import fail
from fleetgate_clients.manifests.objects import Manifest
from fleetgate_clients.output.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fleetgate_clients.audit.local import LocalEngine
    from fleetgate_clients.manifests.reading import Manifests

_SHOWN_DUPLICATES = 5


@dataclass(frozen=True, slots=True)
class FilesRead:
    """What came of the files. ``places`` says where an object stands; ``nameless`` cannot be in an inventory."""

    cluster: str
    places: Mapping[tuple[str, str, str, str], Place] = field(default_factory=dict)
    nameless: tuple[Manifest, ...] = ()
    not_reviewed: tuple[NotAudited, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Objects that the engine was not given."""
        return tuple(
            Problem(
                ObjectName(self.cluster, item.group, item.version, item.kind, item.namespace, item.name),
                None,
                "INVALID_REQUEST",
                f"{item.place}: an object without a name cannot be in a cluster",
            )
            for item in self.nameless
        )

    def complete(self, report: Report) -> Report:
        """Add to a report what the engine was not given: nobody may take it for clean."""
        clusters = tuple(self._completed(cluster) for cluster in report.clusters)
        return replace(report, clusters=clusters, errors=report.errors + self.problems)

    def _completed(self, cluster: Cluster) -> Cluster:
        if cluster.name != self.cluster:
            return cluster
        errors = cluster.errors + len(self.nameless)
        if not self.not_reviewed:
            return replace(cluster, errors=errors)
        reason = not_reviewed_words(self.not_reviewed)
        return replace(
            cluster,
            complete=False,
            reason=f"{cluster.reason}; {reason}" if cluster.reason else reason,
            errors=errors,
            not_audited=cluster.not_audited + self.not_reviewed,
        )


def load(engine: LocalEngine, manifests: Manifests, cluster: str) -> FilesRead:
    """Give the engine policies and objects. Ends the command, exit code 2, for what it refuses."""
    try:
        engine.load_policies(manifests.policies)
        engine.load_objects(cluster, (item.json for item in manifests.objects if item.name))
    except LocalEngineError as error:
        fail(str(error))
    _warn_of_duplicates(manifests.objects)
    return files_read(manifests, cluster)


def files_read(manifests: Manifests, cluster: str) -> FilesRead:
    """What came of files whose objects a cluster has."""
    places = {item.key: Place(item.path, item.line, item.address) for item in manifests.objects}
    nameless = tuple(item for item in manifests.objects if not item.name)
    return FilesRead(cluster, places, nameless, not_reviewed_of(manifests))


def not_reviewed_of(manifests: Manifests) -> tuple[NotAudited, ...]:
    """What Terraform has beside manifests, by type."""
    reason = "a resource of Terraform that is no kubernetes_manifest with known values"
    return tuple(NotAudited("", "", kind, reason, count) for kind, count in sorted(manifests.not_reviewed.items()))


def not_reviewed_words(not_reviewed: Iterable[NotAudited]) -> str:
    """How many there are."""
    count = sum(kind.objects for kind in not_reviewed)
    return (
        "1 resource of Terraform was not reviewed"
        if count == 1
        else f"{count} resources of Terraform were not reviewed"
    )


def _warn_of_duplicates(objects: Iterable[Manifest]) -> None:
    seen: dict[tuple[str, str, str, str], Manifest] = {}
    count = 0
    for item in objects:
        earlier = seen.get(item.key) if item.name else None
        seen[item.key] = item
        if earlier is not None:
            count += 1
            if count <= _SHOWN_DUPLICATES:
                typer.echo(f"warning: {printable(f'{item.place}: {item} is already in {earlier.place}')}", err=True)
    if count > _SHOWN_DUPLICATES:
        more = count - _SHOWN_DUPLICATES
        what = "1 more object is" if more == 1 else f"{more:,} more objects are"
        typer.echo(f"warning: {what} given twice; the last one counts", err=True)
