"""Rules for schemas in requests: whatever stands in a schema, it is taken or refused."""

import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from plans import plan_of

from omni_audio.serving.errors import ApiError
from omni_audio.serving.json_schemas import check_schema

WORDS = ("type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$defs")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["object", "a", *WORDS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", *WORDS]), inner),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(schema=st.dictionaries(st.sampled_from(WORDS), VALUES), strict=st.booleans())
def test_any_json_is_taken_or_refused(schema, strict):
    with contextlib.suppress(ApiError):
        check_schema(schema, "p", strict=strict)


CLOSED = {"additionalProperties": False, "required": []}
OPEN_INSIDE = {
    "type": "object",
    "properties": {"a": {"type": ["object", "null"]}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": True},
        OPEN_INSIDE,
        {"type": "object", "properties": {"a": {}}, "required": [["a"]], "additionalProperties": False},
        {"type": "object", "properties": {"a": {}}, "required": [{}, None], "additionalProperties": False},
    ],
)
def test_strict_asks_every_object_to_be_closed(schema):
    """An object that lists no properties may hold any, unless it says otherwise."""
    with pytest.raises(ApiError) as caught:
        check_schema(schema, "p", strict=True)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "p", "invalid_schema")
    check_schema(schema, "p", strict=False)


def test_strict_takes_closed_objects():
    check_schema({"type": "object", **CLOSED}, "p", strict=True)
    inner = {"type": "object", "properties": {}, **CLOSED}
    outer = {"type": "object", "properties": {"a": inner}, "required": ["a"], "additionalProperties": False}
    check_schema(outer, "p", strict=True)


@pytest.mark.parametrize("where", ["response_format", "tools", "functions"])
def test_requests_with_names_that_are_none_are_refused(where):
    schema = {"type": "object", "properties": {"a": {}}, "required": [["a"]], "additionalProperties": False}
    function = {"name": "f", "parameters": schema, "strict": True}
    fields = {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "s", "schema": schema, "strict": True},
        },
        "tools": [{"type": "function", "function": function}],
        "functions": [function],
    }
    with pytest.raises(ApiError) as caught:
        plan_of(**{where: fields[where]})
    assert (caught.value.status, caught.value.code) == (400, "invalid_schema")
