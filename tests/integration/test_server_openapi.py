"""The published OpenAPI document: answers keep to its schemas, and no body that is near them breaks the server.

tests/data/openai-openapi-reduced.json says where its schemas are from.
"""

import base64
import copy
import json
import re
from pathlib import Path

import httpx
import hypothesis.strategies as st
import jsonschema
import pytest
from asking import MODEL, SOUND, USER
from hypothesis import HealthCheck, given, settings
from sound_files import encoded, tone

from omni_audio.serving.settings import RequestLimits


def with_nulls(part):
    """The document is of OpenAPI 3.1 and still says `nullable` in places, as 3.0 did, which JSON Schema has not."""
    if isinstance(part, list):
        return [with_nulls(item) for item in part]
    if not isinstance(part, dict):
        return part
    made = {key: with_nulls(value) for key, value in part.items()}
    is_nullable = made.pop("nullable", False) is True
    return {"anyOf": [made, {"type": "null"}]} if is_nullable else made


FILE = Path(__file__).parent.parent / "data/openai-openapi-reduced.json"
DOCUMENT = with_nulls(json.loads(FILE.read_text()))
TOOL = {"type": "function", "function": {"name": "set_timer", "parameters": {"type": "object"}}}
CALL = '{"name":"set_timer","arguments":{"value":5}}'
CHAT = {"model": MODEL, "messages": [USER], "max_tokens": 8, "seed": 1}
ANSWER, CHUNK = "CreateChatCompletionResponse", "CreateChatCompletionStreamResponse"


def keeps_to(schema, content):
    """Raises ValidationError unless `content` is what the document's schema of this name says."""
    root = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(root).validate(content)


def events_of(response):
    """JSON of each server-sent event; the closing [DONE] is dropped."""
    assert response.status_code == 200, response.text[:500]
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.fixture(scope="module")
def post(server_url):
    with httpx.Client(base_url=server_url, timeout=30) as client:
        yield lambda path="/v1/chat/completions", **fields: client.post(path, json=fields)


REQUESTS = {
    "text": {},
    "choices": {"n": 2},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "JSON": {"response_format": {"type": "json_object"}, "max_tokens": 40},
    "call": {"tools": [TOOL], "tool_choice": "required", "max_tokens": 100},
    "function call": {
        "functions": [TOOL["function"]],
        "function_call": {"name": "set_timer"},
        "max_tokens": 100,
    },
    "spoken": {**SOUND, "max_tokens": 30},
    "spoken with logprobs": {**SOUND, "max_tokens": 30, "logprobs": True},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_answers_keep_to_the_document(post, name):
    response = post(**{**CHAT, **REQUESTS[name]})
    assert response.status_code == 200, response.text[:500]
    keeps_to(ANSWER, response.json())


@pytest.mark.parametrize("name", [*REQUESTS, "times"])
def test_every_chunk_keeps_to_the_document(post, name):
    options = {"include_usage": True} | ({"include_timestamps": True} if name == "times" else {})
    fields = REQUESTS["spoken"] if name == "times" else REQUESTS[name]
    chunks = events_of(post(**{**CHAT, **fields, "stream": True, "stream_options": options}))
    assert len(chunks) >= 3
    for chunk in chunks:
        keeps_to(CHUNK, chunk)
    assert chunks[-1]["usage"]["total_tokens"] > 0


def test_calls_of_a_model_that_calls_keep_to_the_document(scripted_server):
    with scripted_server([("tool", CALL), ("tool", CALL), ("end", "tool_calls")]) as url:
        for fields in ({"tools": [TOOL]}, {"functions": [TOOL["function"]]}):
            body = {**CHAT, **fields, "max_tokens": 400}
            plain = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30).json()
            keeps_to(ANSWER, plain)
            assert plain["choices"][0]["finish_reason"] in ("tool_calls", "function_call")
            streamed = httpx.post(f"{url}/v1/chat/completions", json={**body, "stream": True}, timeout=30)
            for chunk in events_of(streamed):
                keeps_to(CHUNK, chunk)


def test_other_endpoints_keep_to_the_document(server_url, post):
    keeps_to("ListModelsResponse", httpx.get(f"{server_url}/v1/models", timeout=30).json())
    keeps_to("Model", httpx.get(f"{server_url}/v1/models/{MODEL}", timeout=30).json())
    speech = {
        "model": MODEL,
        "voice": "alloy",
        "input": "on",
        "response_format": "pcm",
        "stream_format": "sse",
    }
    events = events_of(post("/v1/audio/speech", **speech))
    for event in events:
        keeps_to("CreateSpeechResponseStreamEvent", event)
    assert events[-1]["type"] == "speech.audio.done"
    form = {"files": {"file": ("a.wav", encoded("WAV"))}, "timeout": 30}
    target = f"{server_url}/v1/audio/transcriptions"
    keeps_to("CreateTranscriptionResponseJson", httpx.post(target, data={"model": MODEL}, **form).json())
    events = events_of(httpx.post(target, data={"model": MODEL, "stream": "true"}, **form))
    for event in events:
        keeps_to("CreateTranscriptionResponseStreamEvent", event)
    assert events[-1]["type"] == "transcript.text.done"


def test_refusals_keep_to_the_document(server_url, post):
    refusals = [
        post(**{**CHAT, "n": 0}),
        post(**{**CHAT, "model": "none"}),
        post(**{**CHAT, "messages": []}),
        httpx.get(f"{server_url}/nowhere", timeout=30),
        httpx.delete(f"{server_url}/v1/models", timeout=30),
        httpx.post(f"{server_url}/v1/chat/completions", content=b"x", timeout=30),
    ]
    assert [refusal.status_code for refusal in refusals] == [400, 404, 400, 404, 405, 415]
    for refusal in refusals:
        keeps_to("ErrorResponse", refusal.json())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["object"], "chat.answer"),
        (["choices", 0, "finish_reason"], "ended"),
        (["choices", 0, "message", "refusal"], 5),
        (["usage", "prompt_tokens"], "many"),
        (["choices", 0, "logprobs"], {"content": 1}),
        (["created"], None),
    ],
)
def test_the_document_refuses_what_is_no_answer(post, place, value):
    answer = post(**CHAT).json()
    keeps_to(ANSWER, answer)
    part = answer
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        keeps_to(ANSWER, answer)


# ---- bodies that are near the document's requests ----

MADE_CALL = {"id": "c", "type": "function", "function": {"name": "set_timer", "arguments": "{}"}}
SOUND_OF_USER = {"data": base64.b64encode(encoded("WAV", pcm=tone(1600))).decode(), "format": "wav"}
SWITCH = {
    "name": "switch",
    "parameters": {
        "type": "object",
        "properties": {"on": {"type": "boolean"}},
        "required": ["on"],
        "additionalProperties": False,
    },
}
LONG_ENOUGH = 80
"""Tokens in which a call of SWITCH ends, whatever the network says."""
CALLS = [
    {
        **CHAT,
        "max_tokens": LONG_ENOUGH,
        "tools": [{"type": "function", "function": SWITCH}],
        "tool_choice": "required",
    },
    {**CHAT, "max_tokens": LONG_ENOUGH, "functions": [SWITCH], "function_call": {"name": "switch"}},
]
SEEDS = [
    CHAT,
    *CALLS,
    {**CALLS[0], "stream": True},
    {**CHAT, **SOUND, "stream": True, "stream_options": {"include_usage": True}},
    {**CHAT, "tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": True},
    {
        **CHAT,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {"type": "object"}},
        },
    },
    {
        **CHAT,
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": None, "tool_calls": [MADE_CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "done"},
            {
                "role": "user",
                "content": [{"type": "input_audio", "input_audio": SOUND_OF_USER}],
            },
        ],
    },
]
PROPERTIES = sorted(
    {
        name
        for schema in DOCUMENT["components"]["schemas"].values()
        for part in [schema, *schema.get("allOf", [])]
        for name in part.get("properties", {})
    }
)
WORDS = sorted(
    {
        word
        for schema in DOCUMENT["components"]["schemas"].values()
        for part in schema.get("properties", {}).values()
        for word in part.get("enum", [])
        if isinstance(word, str)
    }
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 2, 129, 2**31, 2**63 - 1, 2**63, -(2**63), 1.5, 1e300, -0.0])
    | st.sampled_from(["", *WORDS])
    | st.text(max_size=30)
    | st.just("a" * 3000)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(PROPERTIES) | st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)


def places_in(body):
    """Every path to a value."""
    waiting, found = [([], body)], []
    while waiting:
        place, part = waiting.pop()
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, value in items:
            found.append([*place, key])
            waiting.append(([*place, key], value))
    return found


@st.composite
def near_requests(draw):
    """A request with up to three values replaced, and one field of the document more."""
    body = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        *place, last = draw(st.sampled_from(places_in(body)))
        part = body
        for key in place:
            part = part[key]
        part[last] = draw(VALUES)
    if draw(st.booleans()):
        body[draw(st.sampled_from(PROPERTIES))] = draw(VALUES)
    return body


@pytest.fixture(scope="module")
def short_answers(live_server):
    """A client of a server that answers with a few tokens, whatever it is asked."""
    limits = RequestLimits(max_text_tokens=LONG_ENOUGH, max_audio_frames=4)
    with live_server(limits=limits) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def answered_or_refused(client, path, body):
    response = client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert response.status_code in (200, 400, 404), (response.status_code, response.text[:300], body)
    if response.status_code != 200:
        error = response.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert isinstance(error["code"], str)
    return response.text


def test_bodies_near_a_request_are_answered_or_refused(short_answers):
    calls = []

    @settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(body=near_requests())
    def check(body):
        said = answered_or_refused(short_answers, "/v1/chat/completions", body)
        calls.extend(re.findall(r'"finish_reason":"(tool_calls|function_call)"', said))

    check()
    assert set(calls) == {"tool_calls", "function_call"}, "no call came to its end"


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=near_requests())
def test_many_bodies_near_a_request_are_answered_or_refused(short_answers, body):
    answered_or_refused(short_answers, "/v1/chat/completions", body)


SPEECH_FIELDS = ("input", "voice", "instructions", "response_format", "speed", "stream_format")


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    body=st.fixed_dictionaries(
        {"model": st.just(MODEL) | VALUES}, optional=dict.fromkeys(SPEECH_FIELDS, VALUES)
    )
)
def test_bodies_near_a_speech_request_are_answered_or_refused(short_answers, body):
    answered_or_refused(short_answers, "/v1/audio/speech", body)
