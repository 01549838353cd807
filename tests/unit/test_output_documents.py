"""YAML is the same text, whether libyaml is there or not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from fleetgate_clients.output.documents import yaml_text
from hypothesis import example, given
from hypothesis import strategies as st

TEXTS = (
    st.text(st.sampled_from("ab1 :-#'\"\n\t{}[],&*!|>%@?=~é中😀\x85\u2028\x1b\u202e\ufeff"), max_size=40) | st.text()
)
VALUES = st.dictionaries(TEXTS, TEXTS | st.integers() | st.none() | st.lists(TEXTS) | st.dictionaries(TEXTS, TEXTS))


@given(VALUES)
@example({"": "x", "a" * 200: {"": ""}})
@example({"a": "\x85", "b": "😀", "c": "\\N"})
def test_libyaml_writes_the_same_text(value: dict[str, Any]) -> None:
    fast = yaml_text(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(yaml, "CSafeDumper")
        assert yaml_text(value) == fast
    assert yaml.safe_load(fast) == value


@pytest.mark.parametrize("value", [{"message": "é: 'x' has no \"owner\"", "list": [{"a": 1}, {}]}, {"b": "line\nline"}])
def test_ordinary_documents_are_written_by_libyaml(value: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "SafeDumper", None)
        assert yaml.safe_load(yaml_text(value)) == value
