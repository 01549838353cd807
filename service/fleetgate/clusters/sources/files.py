"""The source ``kubeconfig``: contexts of files, as kubectl sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetgate.clusters import kubeconfig
from fleetgate.clusters.kubeconfig import Document, KubeconfigInvalid, Trust
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.sources.common import register

NAME = "kubeconfig"


@dataclass(frozen=True, slots=True)
class Contexts:
    """What the files say. ``problems`` are of whole files; ``files`` are all that were looked at.

    ``whole`` is false where a file is there and could not be read: its contexts are not known then.
    """

    registrations: tuple[Registration, ...]
    problems: tuple[str, ...]
    files: tuple[Path, ...]
    whole: bool


def contexts(
    documents: Sequence[Document], trust: Trust, wanted: Sequence[str] = ()
) -> tuple[list[Registration], list[Path]]:
    """One registration for each context, or each of those ``wanted``; and the files that they refer to."""
    found: list[Registration] = []
    files: list[Path] = []
    for name in kubeconfig.context_names(documents):
        if wanted and name not in wanted:
            continue
        try:
            context = kubeconfig.cut_out(documents, name, trust)
        except KubeconfigInvalid as error:
            found.append(register(NAME, name, (name,), {}, problem=str(error)))
            continue
        files += context.files
        found.append(register(NAME, name, (name,), context.labels, kubeconfig=context.kubeconfig, local=True))
    return found, files


def read(paths: Sequence[Path], trust: Trust, wanted: Sequence[str] = ()) -> Contexts:
    """Read the files; one that is missing or broken is a problem, and the others count all the same.

    A file in the list that is not there is none for kubectl either, as long as another is.
    """
    documents: list[Document] = []
    problems: list[str] = []
    whole = True
    for path in paths:
        try:
            with path.open("rb") as file:
                documents.append(kubeconfig.parse(file.read(kubeconfig.MAX_BYTES + 1), path.absolute().parent))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
            whole = whole and isinstance(error, FileNotFoundError)
        except KubeconfigInvalid as error:
            problems.append(f"{path}: {error}")
            whole = False
    found, files = contexts(documents, trust, wanted)
    return Contexts(tuple(found), tuple(problems), (*paths, *files), whole)
