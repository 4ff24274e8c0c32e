"""Forms of text: what comes out satisfies its schema, whatever the network and the draws."""

import json

import jsonschema
import pytest
from drawn_streams import document
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_audio.data.corpora.commands_tools import TOOLS
from omni_audio.model.events import Failed, Finished, FinishReason, TextToken, ToolToken
from omni_audio.model.generate import Generator
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.text import NUM_SPECIAL, TextTokenizer
from omni_audio.model.text_form import TextForm, TextForms
from omni_audio.model.tool_text import tool_call_text
from omni_audio.model.transformer import OmniModel

PARAMETERS = {name: tool["parameters"] for name, tool in TOOLS.items()}
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"enum": ["paris", "rome"]},
        "days": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 7}, "maxItems": 3},
        "sure": {"type": "boolean"},
    },
    "required": ["city", "days", "sure"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def forms(tiny_text: TextTokenizer, tiny_model: OmniModel) -> TextForms:
    return TextForms(tiny_text, tiny_model.vocabulary.num_text)


def is_followed(form: TextForm, text: TextTokenizer, words: str) -> bool:
    state = form.begin()
    for token in text.encode(words):
        if not state.allowed()[token - NUM_SPECIAL]:
            return False
        state.push(token - NUM_SPECIAL)
    return state.may_end


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), temperature=st.sampled_from([0.0, 0.7, 2.0]))
def test_replies_satisfy_their_schema(
    tiny_model: OmniModel, tiny_text: TextTokenizer, forms: TextForms, seed: int, temperature: float
) -> None:
    """Of a network that was never trained, with and without draws."""
    form = forms.json(SCHEMA)
    asked = GenerationRequest(mode=Mode.REPLY_TEXT, text_form=form, temperature=temperature, seed=seed)
    generator = Generator(tiny_model, 1)
    generator.open(0, document(tiny_model, tiny_text, seed % 20, Mode.REPLY_TEXT), asked)
    events = []
    while generator.streams:
        events += generator.step()
    words = tiny_text.decode(event.id for event in events if isinstance(event, TextToken))
    jsonschema.validate(json.loads(words), SCHEMA)
    assert events[-1] == Finished(0, FinishReason.STOP)
    assert words == json.dumps(json.loads(words), separators=(",", ":"))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_calls_satisfy_the_tool_they_name_beside_free_streams(
    tiny_model: OmniModel, tiny_text: TextTokenizer, forms: TextForms, seed: int
) -> None:
    prompt = document(tiny_model, tiny_text, seed % 25, Mode.REPLY_TEXT)
    tools = {"set_volume": PARAMETERS["set_volume"], "set_light": PARAMETERS["set_light"]}
    call = GenerationRequest(
        mode=Mode.REPLY_TEXT, tools=True, tool_required=True, call_form=forms.call(tools), seed=seed
    )
    free = GenerationRequest(mode=Mode.REPLY_TEXT, temperature=1.0, seed=seed, max_text_tokens=30)
    generator = Generator(tiny_model, 3)
    for slot, request in enumerate((free, call, free)):
        generator.open(slot, prompt, request)
    events = []
    while generator.streams:
        events += generator.step()
    made = [event.id for event in events if isinstance(event, ToolToken) and event.slot == 1]
    reason = next(event.reason for event in events if isinstance(event, Finished) and event.slot == 1)
    assert reason is FinishReason.TOOL_CALLS
    found = json.loads(tiny_text.decode(made))
    jsonschema.validate(found["arguments"], tools[found["name"]])
    free_words = [[e.id for e in events if isinstance(e, TextToken) and e.slot == slot] for slot in (0, 2)]
    assert free_words[0] == free_words[1]
    assert len(free_words[0]) > 0


def test_calls_as_training_writes_them_are_followed(forms: TextForms, tiny_text: TextTokenizer) -> None:
    form = forms.call(PARAMETERS)
    timer = {"value": 50, "unit": "minutes"}
    assert is_followed(form, tiny_text, tool_call_text("set_timer", timer))
    assert is_followed(form, tiny_text, tool_call_text("set_timer", {**timer, "label": "tea"}))
    assert not is_followed(form, tiny_text, tool_call_text("set_timer", {"value": 50}))
    assert not is_followed(form, tiny_text, tool_call_text("set_timer", {**timer, "unit": "years"}))
    assert not is_followed(form, tiny_text, tool_call_text("set_clock", timer))
    assert not is_followed(form, tiny_text, json.dumps({"name": "set_timer", "arguments": timer}))
    free = forms.call({"anything": None})
    assert is_followed(free, tiny_text, tool_call_text("anything", {"a": [1, {"b": None}]}))


LEAF = {"enum": ["x"]}
NESTED = {
    "properties": {"enum": {"$ref": "#/$defs/$ref"}},
    "required": ["enum"],
    "additionalProperties": False,
}
POINTERS = {
    "defs": ({"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": LEAF}}, "x", "y"),
    "itself": (
        {"properties": {"a": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}},
        {"a": None},
        {"name": "f", "arguments": {"a": None}},
    ),
    "property": ({"properties": {"a": {"$ref": "#/properties/b"}, "b": LEAF}}, "x", "y"),
    "names like keywords": (
        {"properties": {"a": {"type": "object", **NESTED}}, "$defs": {"$ref": LEAF}},
        {"enum": "x"},
        {"enum": "y"},
    ),
    "a value": ({"properties": {"a": {"const": {"$ref": "#"}}}}, {"$ref": "#"}, {"$ref": "#/$defs/p1"}),
    "named root": (
        {"$id": "https://a.example/s", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": LEAF}},
        "x",
        "y",
    ),
}
"""Parameters with pointers, a value of `a` that they allow and one that they do not."""


@pytest.mark.parametrize("name", POINTERS)
def test_pointers_inside_parameters_lead_into_the_parameters(
    forms: TextForms, tiny_text: TextTokenizer, name: str
) -> None:
    schema, right, wrong = POINTERS[name]
    tool = {"required": ["a"], "additionalProperties": False, **schema}
    form = forms.call({"first": None, "f": tool})
    assert is_followed(form, tiny_text, tool_call_text("f", {"a": right}))
    assert not is_followed(form, tiny_text, tool_call_text("f", {"a": wrong}))


def test_a_form_is_compiled_once_and_begun_often(forms: TextForms) -> None:
    form = forms.json(SCHEMA)
    assert forms.json(json.loads(json.dumps(SCHEMA))) is form
    first, second = form.begin(), form.begin()
    first.push(int(first.allowed().argmax()))
    assert (second.allowed() == form.begin().allowed()).all()


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"$ref": "http://elsewhere/schema"}, "not present in a registry"),
        ({"type": "string", "allOf": [{"type": "integer"}]}, "Unsatisfiable"),
        ({"type": "strange"}, "Invalid type"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-ahead"),
    ],
)
def test_schemas_that_cannot_be_followed_are_named(forms: TextForms, schema: dict, reason: str) -> None:
    with pytest.raises(ValueError, match=f"schema = .*{reason}.* is not allowed"):
        forms.json(schema)
    with pytest.raises(ValueError, match=f"tool 'second': schema = .*{reason}"):
        forms.call({"first": SCHEMA, "second": {"properties": {"a": schema}, "required": ["a"]}})


def test_thousands_of_properties_are_followed(forms: TextForms, tiny_text: TextTokenizer) -> None:
    properties = {f"p{index}": {"type": "string", "pattern": f"^b{index}$"} for index in range(2000)}
    form = forms.json({"type": "object", "properties": properties, "additionalProperties": False})
    assert is_followed(form, tiny_text, '{"p7":"b7","p1999":"b1999"}')
    assert not is_followed(form, tiny_text, '{"p7":"b8"}')


def test_long_schemas_are_refused_before_they_are_compiled(forms: TextForms) -> None:
    def tool(num: int) -> dict:
        return {"properties": {f"p{index}": {"pattern": "^[a-z]{1,9}x$"} for index in range(num)}}

    for schema in (tool(9000), {"enum": ["a" * 300_000]}):
        with pytest.raises(ValueError, match=r"schema = '?\d+ bytes.* is not allowed"):
            forms.json(schema)
    with pytest.raises(ValueError, match="262144 bytes, those of all tools"):
        forms.call({f"f{index}": {"description": str(index) * 9000} for index in range(40)})


def test_errors_of_forms_have_one_line(forms: TextForms) -> None:
    too_large = {"properties": {f"p{index}": {"pattern": "^[a-z]{1,9}x$"} for index in range(6000)}}
    for schema, reason in (
        ({"type": "string", "pattern": "(?=a)b"}, "look-ahead"),
        (too_large, "too big"),
    ):
        with pytest.raises(ValueError, match=f"schema = .*{reason}") as caught:
            forms.json(schema)
        assert "\n" not in str(caught.value)
        assert "\\n" not in str(caught.value)
        assert "panic" not in str(caught.value)


def test_a_form_is_for_replies_in_text_alone(forms: TextForms) -> None:
    with pytest.raises(ValueError, match=r"text_form = .* is not allowed: expected None but with Mode"):
        GenerationRequest(mode=Mode.REPLY_AUDIO, text_form=forms.json(SCHEMA))


def test_a_form_that_comes_to_a_dead_end_fails_alone(
    tiny_model: OmniModel, tiny_text: TextTokenizer, forms: TextForms
) -> None:
    """A state that was pushed to its end offers nothing and may end; one that is broken fails its own stream."""
    asked = GenerationRequest(mode=Mode.REPLY_TEXT, text_form=forms.json(SCHEMA))
    free = GenerationRequest(mode=Mode.REPLY_TEXT, max_text_tokens=6)
    prompt = document(tiny_model, tiny_text, 4, Mode.REPLY_TEXT)
    generator = Generator(tiny_model, 2)
    generator.open(0, prompt, asked)
    generator.open(1, prompt, free)
    generator.step()
    state = generator.streams[0].grammar.form
    with pytest.raises(ValueError, match=r"(?s)schema = .*satisfy the grammar.* is not allowed"):
        state.push(int(state.allowed().argmin()))
    events = []
    while generator.streams:
        events += generator.step()
    assert [event.slot for event in events if isinstance(event, Failed)] == [0]
    assert [event.slot for event in events if isinstance(event, Finished)] == [1]
