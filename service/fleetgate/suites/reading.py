"""Read a Suite file. Its scalars are those of YAML 1.2, as gator reads them: ``violations: yes`` is a string."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from .model import DEFAULT_CLUSTER_SET, GROUP, KIND, Assertion, Case, Cluster, Suite, Test

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_STRING = "tag:yaml.org,2002:str"
_BOOLEAN = "tag:yaml.org,2002:bool"
_INTEGER = "tag:yaml.org,2002:int"
_COUNT = re.compile("-?[0-9]+")
_NULL = "tag:yaml.org,2002:null"
_DEEPEST = 100
"""Levels of nesting; a Suite needs six."""
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})


class SuiteError(Exception):
    """A Suite file that cannot be used; the text says where and why."""


def read_suite(path: Path, shown: str) -> Suite | None:
    """Read the Suite in ``path``'s first document; None where it holds something else. Raises SuiteError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SuiteError(f"{shown}: {error.strerror}") from error
    if GROUP.encode() not in data:
        return None  # spares parsing the manifests that lie beside suites
    try:
        root = _first_document(data, shown)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{shown}:{mark.line + 1}:{mark.column + 1}" if mark else shown
        raise SuiteError(f"{place}: invalid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise SuiteError(f"{shown}: invalid YAML: {error}") from error
    if not isinstance(root, yaml.MappingNode):
        return None
    reader = _Reader(shown)
    fields = reader.mapping(root, "")
    group = reader.text(fields.get("apiVersion"), "apiVersion").rpartition("/")[0]
    if group != GROUP or reader.text(fields.get("kind"), "kind") != KIND:
        return None
    return Suite(
        path=path,
        shown=shown,
        tests=reader.sequence(fields.get("tests"), "tests", reader.test),
        skip=reader.flag(fields.get("skip"), "skip"),
    )


def _first_document(data: bytes, shown: str) -> yaml.Node | None:
    depth = 0
    for event in yaml.parse(data, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentEndEvent):
            break
        if depth > _DEEPEST:
            # libyaml composes nodes by recursion, on the C stack.
            mark = event.start_mark
            line = mark.line + 1 if mark else 0
            raise SuiteError(f"{shown}:{line}: invalid YAML: nested too deeply")
    loader = yaml.CSafeLoader(data)
    try:
        return loader.get_node() if loader.check_node() else None
    finally:
        loader.dispose()


class _Reader:
    """Turns YAML nodes into the model; every refusal names file, line, column and field. Unknown fields are ignored."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def test(self, node: yaml.Node, field: str) -> Test:
        fields = self.mapping(node, field)
        return Test(
            name=self.text(fields.get("name"), f"{field}.name"),
            template=self.text(fields.get("template"), f"{field}.template"),
            constraint=self.text(fields.get("constraint"), f"{field}.constraint"),
            expansion=self.text(fields.get("expansion"), f"{field}.expansion"),
            cases=self.sequence(fields.get("cases"), f"{field}.cases", self.case),
            invalid=self.flag(fields.get("invalid"), f"{field}.invalid"),
            skip=self.flag(fields.get("skip"), f"{field}.skip"),
        )

    def case(self, node: yaml.Node, field: str) -> Case:
        fields = self.mapping(node, field)
        return Case(
            name=self.text(fields.get("name"), f"{field}.name"),
            object=self.text(fields.get("object"), f"{field}.object"),
            inventory=self.sequence(fields.get("inventory"), f"{field}.inventory", self.text),
            clusters=self.clusters(fields.get("clusters"), f"{field}.clusters"),
            assertions=self.sequence(fields.get("assertions"), f"{field}.assertions", self.assertion),
            skip=self.flag(fields.get("skip"), f"{field}.skip"),
        )

    def clusters(self, node: yaml.Node | None, field: str) -> tuple[Cluster, ...]:
        found: tuple[Cluster, ...] = self.sequence(node, field, self.cluster)
        names = [cluster.name for cluster in found]
        if node is not None and len(set(names)) < len(names):
            raise self.error(node, field, "names of clusters must differ")
        return found

    def cluster(self, node: yaml.Node, field: str) -> Cluster:
        fields = self.mapping(node, field)
        name = self.text(fields.get("name"), f"{field}.name")
        if not name:
            raise self.error(node, f"{field}.name", "a cluster needs a name")
        labels = fields.get("labels")
        return Cluster(
            name=name,
            labels=tuple(
                (key, self.text(value, f"{field}.labels.{key}"))
                for key, value in (self.mapping(labels, f"{field}.labels") if labels else {}).items()
            ),
            cluster_set=self.text(fields.get("clusterSet"), f"{field}.clusterSet") or DEFAULT_CLUSTER_SET,
            inventory=self.sequence(fields.get("inventory"), f"{field}.inventory", self.text),
        )

    def assertion(self, node: yaml.Node, field: str) -> Assertion:
        fields = self.mapping(node, field)
        message = fields.get("message")
        return Assertion(
            violations=self.violations(fields.get("violations"), f"{field}.violations"),
            message=None if message is None or message.tag == _NULL else self.text(message, f"{field}.message"),
        )

    def violations(self, node: yaml.Node | None, field: str) -> int | str:
        if node is None or node.tag == _NULL:
            return "yes"
        if isinstance(node, yaml.ScalarNode):
            # Other texts and numbers below zero fail their case, not the Suite, as with gator.
            if node.tag == _STRING or (node.tag == _BOOLEAN and node.value not in _TRUE | _FALSE):
                return str(node.value)
            if node.tag == _INTEGER and _COUNT.fullmatch(node.value) and abs(int(node.value)) < 1 << 31:
                return int(node.value)
        raise self.error(node, field, 'must be "yes", "no" or a nonnegative integer')

    def text(self, node: yaml.Node | None, field: str) -> str:
        if node is None or node.tag == _NULL:
            return ""
        if isinstance(node, yaml.ScalarNode) and (node.tag == _STRING or node.value in ("yes", "no", "on", "off")):
            return str(node.value)
        raise self.error(node, field, "must be a string")

    def flag(self, node: yaml.Node | None, field: str) -> bool:
        if node is None or node.tag == _NULL:
            return False
        if isinstance(node, yaml.ScalarNode) and not node.style and node.value in _TRUE | _FALSE:
            return node.value in _TRUE
        raise self.error(node, field, "must be true or false")

    def mapping(self, node: yaml.Node, field: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, field, "must be a mapping")
        return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}

    def sequence(self, node: yaml.Node | None, field: str, item: Callable[[yaml.Node, str], Any]) -> tuple[Any, ...]:
        if node is None or node.tag == _NULL:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, field, "must be a list")
        return tuple(item(element, f"{field}[{index}]") for index, element in enumerate(node.value))

    def error(self, node: yaml.Node, field: str, message: str) -> SuiteError:
        mark = node.start_mark
        return SuiteError(f"{self._shown}:{mark.line + 1}:{mark.column + 1}: {field}: {message}")
