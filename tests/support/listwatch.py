"""Many clusters' list and watch from memory: a Python face on the Go program in `tests/listwatch`.

It makes events at a rate that real API servers on one machine do not. `tests/e2e/test_listwatch.py` compares what it
says with a real one.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.support import go_program

_STOP_TIMEOUT_S = 10.0
TOKEN = "listwatch"


@dataclass(frozen=True)
class Kind:
    """A collection in every cluster.

    ``fields`` are those of an object beside apiVersion, kind and metadata; ``@CLUSTER@`` and ``@N@`` in their text
    become the cluster's name and the object's number. ``share`` is the kind's weight among the events; where its
    objects do not ``stay``, some of these are deletions.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    objects: int = 0
    namespaces: int = 1
    fields: Mapping[str, Any] = field(default_factory=dict)
    share: int = 0
    stays: bool = False


def namespaces(count: int, share: int = 0) -> Kind:
    """The Namespaces ``team-0`` … that the objects of other kinds are in, and ``kube-system``."""
    return Kind("", "v1", "Namespace", "namespaces", namespaced=False, objects=count + 1, share=share, stays=True)


@dataclass(frozen=True)
class Done:
    """What a cluster has done so far. ``lists`` counts collections that were read whole, by their names in URLs."""

    events: int
    watches: int
    lists: Mapping[str, int]


class ListWatch:
    """The running program."""

    def __init__(self, process: subprocess.Popen[str], kubeconfig: Path, clusters: Sequence[str]) -> None:
        self._process, self.kubeconfig, self.clusters = process, kubeconfig, clusters

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def rate(self, per_second: float, *clusters: str) -> None:
        """Make so many events per second in each of these clusters, or in all, from now on."""
        self._command(clusters, rate=per_second)

    def expire(self, *clusters: str) -> None:
        """Forget the history and end every watch: whoever follows has to list anew."""
        self._command(clusters, expire=True)

    def expire_every(self, seconds: float, *clusters: str) -> None:
        """Do so again and again; 0 ends that."""
        self._command(clusters, expireEvery=seconds)

    def done(self) -> dict[str, Done]:
        """By cluster."""
        return {name: Done(**counts) for name, counts in self._command(()).items()}

    def _command(self, clusters: Sequence[str], **what: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"clusters": list(clusters), **what}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("listwatch is gone; its error is above")
        return json.loads(answer)


@contextmanager
def list_watch(
    directory: Path, clusters: Sequence[str], kinds: Sequence[Kind], *, history: int = 10_000
) -> Iterator[ListWatch]:
    """Run it until the context ends. ``history`` is how many events of a collection late watches find."""
    directory.mkdir(parents=True, exist_ok=True)
    plan = directory / "plan.json"
    plan.write_text(
        json.dumps({"clusters": list(clusters), "kinds": [asdict(each) for each in kinds], "history": history})
    )
    command = [str(go_program.build("listwatch")), "--plan", str(plan), "--dir", str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            yield ListWatch(process, Path(ready["kubeconfig"]), ready["clusters"])
        finally:
            process.stdin.close()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
