"""Refusals by class: status, code and the parameter at fault, and that the server lives on."""

import base64

import httpx
import openai
import pytest

MODEL = "gpt-4o-audio-preview"
USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "set_timer"}}
SOUND = {"modalities": ["text", "audio"]}


def clip(data, sound_format="wav"):
    part = {"type": "input_audio", "input_audio": {"data": data, "format": sound_format}}
    return {"messages": [{"role": "user", "content": [part]}]}


def function(**fields):
    return {"type": "function", "function": {"name": "f", **fields}}


def wanted(schema, strict=False):
    return {"type": "json_schema", "json_schema": {"name": "s", "schema": schema, "strict": strict}}


def nested(num_levels):
    """A strict schema of objects in objects."""
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    for _ in range(num_levels - 1):
        schema = {**schema, "properties": {"a": schema}, "required": ["a"]}
    return schema


@pytest.fixture(scope="module")
def http(server_url):
    with httpx.Client(base_url=server_url, timeout=10) as client:
        yield client


def post(http, fields, path="/v1/chat/completions"):
    return http.post(path, json={"model": MODEL, "messages": [USER], "max_tokens": 2, **fields})


CLIP = "messages[0].content[0].input_audio"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "assistant"}]}, "messages[0].content"),
        (
            {"messages": [{"role": "tool", "content": "x", "tool_call_id": "call_9"}]},
            "messages[0].tool_call_id",
        ),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].name"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}
                ]
            },
            "messages[0].content[0].type",
        ),
        ({"messages": [{"role": "user", "content": "data:audio/wav;base64,AAAA"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "hi", "audio": "AAAA"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "audio", "audio": "AAAA"}]}, "messages[0].audio"),
        (clip("***"), f"{CLIP}.data"),
        (clip(base64.b64encode(b"words, not sound").decode()), f"{CLIP}.data"),
        (clip(base64.b64encode(b"fLaC" + b"\0" * 99).decode()), f"{CLIP}.data"),
        (clip("AAAA", "pcm16"), f"{CLIP}.data"),
        (clip("AAAA", "midi"), f"{CLIP}.format"),
        ({"n": 129}, "n"),
        ({"n": 0}, "n"),
        ({"n": 2, "audio": {"voice": "alloy", "format": "wav"}, **SOUND}, "n"),
        ({"logprobs": 1}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"frequency_penalty": 2.5}, "frequency_penalty"),
        ({"presence_penalty": -2.1}, "presence_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias.5"),
        ({"logit_bias": {"40": 100.5}}, "logit_bias.40"),
        ({"logit_bias": {"a": 1}}, "logit_bias.a"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {
                "response_format": {"type": "json_object"},
                "audio": {"voice": "alloy", "format": "wav"},
                **SOUND,
            },
            "response_format.type",
        ),
        *[
            ({"response_format": wanted(schema)}, "response_format.json_schema.schema")
            for schema in (
                {"type": "strange"},
                {"$ref": "http://elsewhere/schema"},
                {"type": "object", "properties": {str(i): {} for i in range(5001)}},
                {"enum": list(range(50_000))},
                nested(400),
            )
        ],
        *[
            ({"response_format": wanted(schema, strict=True)}, "response_format.json_schema.schema")
            for schema in (
                {"type": "string"},
                {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
                {"type": "object", "properties": {"a": {}}, "required": ["a"]},
                nested(11),
            )
        ],
        ({"functions": []}, "functions"),
        ({"functions": [{"name": "f"}], "tools": [TOOL]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"max_completion_tokens": 3}, "max_tokens"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"modalities": ["audio", "audio"]}, "modalities"),
        ({"modalities": ["text", "audio"]}, "audio"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"audio": {"voice": "alloy", "format": "midi"}, **SOUND}, "audio.format"),
        ({"audio": {"voice": "alloy", "format": "MP3"}, **SOUND}, "audio.format"),
        ({"audio": {"voice": "nobody", "format": "wav"}, **SOUND}, "audio.voice"),
        ({"audio": {"voice": {"id": "nobody"}, "format": "wav"}, **SOUND}, "audio.voice.id"),
        ({"audio": {"voice": "alloy", "format": "wav"}, "stop": "x", **SOUND}, "stop"),
        ({"mode": "text", "audio": {"voice": "alloy", "format": "wav"}, **SOUND}, "mode"),
        ({"speed": 1.5}, "speed"),
        ({"speed": 1.5, "audio": {"voice": "alloy", "format": "wav", "speed": 1.0}, **SOUND}, "audio.speed"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [TOOL, TOOL]}, "tools[1].function.name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}},
            "tool_choice.allowed_tools.tools",
        ),
        (
            {"tools": [function(parameters={"type": "object", "properties": {"a": {}}}, strict=True)]},
            "tools[0].function.parameters",
        ),
        ({"tools": [function(parameters={"properties": {"a": {"type": "odd"}}})]}, "tools"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
            "tool_choice.function.name",
        ),
    ],
)
def test_bad_value_is_a_400_with_its_parameter(http, fields, param):
    response = post(http, fields)
    error = response.json()["error"]
    assert response.status_code == 400, error
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert isinstance(error["code"], str)
    assert response.headers["x-request-id"].startswith("req_")
    assert int(response.headers["openai-processing-ms"]) >= 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xef\xbb\xbf{}",
        b'{"model":"m","messages":[]} tail',
        b'{"temperature": NaN}',
        b'{"temperature": 1e999}',
        b"[" * 100_000,
        b'{"seed": ' + b"9" * 5000 + b"}",
        b'{"model": "\xff"}',
        rb'{"model": "\ud800"}',
        b"[]",
    ],
)
def test_body_that_is_not_a_json_object(http, content):
    response = http.post(
        "/v1/chat/completions", content=content, headers={"content-type": "application/json"}
    )
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_other_media_types_are_a_415(http):
    for headers in (
        {"content-type": "text/plain"},
        {},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ):
        response = http.post("/v1/chat/completions", content=b"{}", headers=headers)
        assert response.status_code == 415
        assert response.json()["error"]["code"] == "unsupported_media_type"


def test_unknown_model_answer_route_and_method(http):
    missing = post(http, {"model": "gpt-9"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
    assert http.get("/v1/models/gpt-9").status_code == 404
    reference = {"messages": [USER, {"role": "assistant", "audio": {"id": "audio_0"}}, USER]}
    unknown = post(http, reference)
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "messages[1].audio.id")
    assert http.get("/v1/nothing").json()["error"]["type"] == "invalid_request_error"
    wrong_method = http.get("/v1/chat/completions")
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "POST")
    assert wrong_method.json()["error"]["code"] == "method_not_allowed"


def test_long_conversations_are_refused_before_they_are_read(http):
    response = post(http, {"messages": [{"role": "user", "content": "word " * 4_000_000}]})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (
        400,
        "context_length_exceeded",
        "messages",
    )
    assert response.elapsed.total_seconds() < 2


def test_large_bodies_are_a_413(live_server):
    with live_server(body_limit_bytes=100_000) as url:
        declared = httpx.post(f"{url}/v1/chat/completions", json={"model": "x" * 3_000_000}, timeout=10)
        assert (declared.status_code, declared.json()["error"]["code"]) == (413, "request_too_large")
        chunked = httpx.post(
            f"{url}/v1/chat/completions",
            content=(b"x" * 50_000 for _ in range(40)),
            headers={"content-type": "application/json"},
            timeout=10,
        )
        assert chunked.status_code == 413
        assert httpx.get(f"{url}/ready").json() == {"status": "ready"}


def test_late_body_is_a_408(live_server):
    def slowly():
        import time

        yield b"{"
        time.sleep(0.6)
        yield b"}"

    with live_server(body_timeout_s=0.2) as url:
        response = httpx.post(
            f"{url}/v1/chat/completions",
            content=slowly(),
            headers={"content-type": "application/json"},
            timeout=5,
        )
        assert (response.status_code, response.json()["error"]["code"]) == (408, "timeout")
        assert httpx.get(f"{url}/ready").status_code == 200


def test_keys(live_server, tmp_path, caplog):
    path = tmp_path / "keys"
    path.write_text("secret-1\nsecret-2\n")
    with live_server(api_keys_file=path) as url:
        for key in ("secret-1", "secret-2"):
            with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
                assert client.models.list().data
        with openai.OpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError) as caught:
                client.chat.completions.create(model=MODEL, messages=[USER])
            assert caught.value.code == "invalid_api_key"
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
        assert httpx.get(f"{url}/health").status_code == 200
        assert httpx.get(f"{url}/ready").status_code == 200
    assert "secret" not in caplog.text


def test_answers_belong_to_their_key(live_server, tmp_path):
    path = tmp_path / "keys"
    path.write_text("mine\nyours\n")
    sound = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    with live_server(api_keys_file=path) as url:

        def ask(key, messages):
            body = {"model": MODEL, "messages": messages, "max_tokens": 4, **sound}
            return httpx.post(
                f"{url}/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}, timeout=10
            )

        answer_id = ask("mine", [USER]).json()["choices"][0]["message"]["audio"]["id"]
        follow_up = [USER, {"role": "assistant", "audio": {"id": answer_id}}, USER]
        assert ask("mine", follow_up).status_code == 200
        refused, unknown = (
            ask("yours", follow_up),
            ask("yours", [{"role": "assistant", "audio": {"id": "x"}}, USER]),
        )
        assert refused.status_code == unknown.status_code == 404
        assert refused.json()["error"]["code"] == unknown.json()["error"]["code"]
