"""The whole app in this process, without a port."""

import asyncio
import base64
import logging
import shutil
import time

import orjson
import pytest
from fastapi.testclient import TestClient
from plans import DecoderHere
from sound_files import encoded

from omni_audio.model.assistant import Assistant
from omni_audio.serving.errors import ApiError
from omni_audio.serving.schemas import parse_chat_request
from omni_audio.serving.server import build_app
from omni_audio.serving.service import ChatService
from omni_audio.serving.settings import ServerConfig

USER = {"role": "user", "content": "hi"}
DEEP = b"[" * 900 + b"]" * 900


@pytest.fixture(scope="module")
def assistant(tiny_build):
    return Assistant.load(tiny_build)


@pytest.fixture(scope="module")
def folder(tiny_build, tmp_path_factory):
    return shutil.copytree(tiny_build, tmp_path_factory.mktemp("served") / tiny_build.name)


@pytest.fixture(scope="module")
def client(assistant, folder):
    app = build_app(ServerConfig(build=folder), assistant)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


def chat(client, **fields):
    return client.post(
        "/v1/chat/completions", json={"model": "omni-audio", "messages": [USER], "max_tokens": 2, **fields}
    )


def refused(response, param, code, status=400):
    assert response.status_code == status, response.text[:300]
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code), error


def deep_body(**fields):
    body = orjson.dumps({"model": "omni-audio", "messages": [USER], "max_tokens": 2, **fields})
    return body.replace(b'"DEEP"', DEEP)


@pytest.mark.parametrize("word", ["const", "enum", "default"])
def test_values_nested_deep_in_a_schema_are_refused(client, word):
    schema = {"type": "object", "properties": {"a": {word: ["DEEP"]}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    for fields, param in (
        ({"response_format": wanted}, "response_format.json_schema.schema"),
        ({"tools": [tool]}, "tools[0].function.parameters"),
    ):
        response = client.post(
            "/v1/chat/completions", content=deep_body(**fields), headers={"content-type": "application/json"}
        )
        refused(response, param, "invalid_schema")


def test_arguments_of_a_call_nested_too_deep_are_refused(client):
    text = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": text}}
    response = chat(client, messages=[USER, {"role": "assistant", "tool_calls": [call]}, USER])
    refused(response, "messages[1].tool_calls[0].function.arguments", "invalid_value")
    call["function"]["arguments"] = '{"a":' + "[" * 1005 + "]" * 1005 + "}"
    response = chat(client, messages=[USER, {"role": "assistant", "tool_calls": [call]}, USER])
    assert response.status_code in (200, 400), "what Python can read depends on its stack"


@pytest.mark.parametrize("parameters", [{"type": "string"}, {"type": ["object", "null"]}, {"type": "array"}])
def test_parameters_that_are_no_object_are_refused(client, parameters):
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    response = chat(client, tools=[tool], tool_choice="required")
    refused(response, "tools[0].function.parameters.type", "unsupported_value")


def test_a_build_whose_folder_is_replaced_is_served_on(client, folder):
    before = client.get("/v1/models").json()
    shutil.rmtree(folder)
    assert client.get("/v1/models").json() == before
    assert chat(client).status_code == 200


@pytest.mark.parametrize(
    ("host", "keys", "num_warnings"), [("0.0.0.0", None, 1), ("0.0.0.0", "secret", 0), ("127.0.0.1", None, 0)]
)
def test_an_open_server_on_the_network_is_warned_of(
    assistant, tiny_build, monkeypatch, caplog, host, keys, num_warnings
):
    if keys is not None:
        monkeypatch.setenv("OMNI_AUDIO_API_KEYS", keys)
    with (
        caplog.at_level(logging.WARNING),
        TestClient(build_app(ServerConfig(build=tiny_build, host=host), assistant)),
    ):
        assert [record.levelname for record in caplog.records].count("WARNING") == num_warnings


CLIP = {
    "type": "input_audio",
    "input_audio": {"data": base64.b64encode(encoded("WAV")).decode(), "format": "wav"},
}


class SlowDecoder(DecoderHere):
    """Takes half a second for each clip."""

    def __init__(self):
        self.num_decoded = 0

    def decode(self, data, declared_format, max_duration_s):
        self.num_decoded += 1
        time.sleep(0.5)
        return super().decode(data, declared_format, max_duration_s)


def chat_request(num_clips):
    content = [CLIP] * num_clips
    return parse_chat_request({"model": "omni-audio", "messages": [{"role": "user", "content": content}]})


@pytest.fixture
def slow_service(assistant, tiny_build):
    service = ChatService(assistant, ServerConfig(build=tiny_build, prompt_timeout_s=1.2))
    service.decoder = SlowDecoder()
    yield service
    service._worker.shutdown(wait=False, cancel_futures=True)


def test_clips_are_counted_before_they_are_decoded(client):
    for num, status in ((64, 200), (65, 400)):
        message = {"role": "user", "content": [CLIP] * num}
        response = chat(client, messages=[message], max_tokens=1)
        assert response.status_code == status, response.text[:300]
    refused(response, "messages[0].content[64].input_audio.data", "context_length_exceeded")


def test_a_prompt_that_nobody_waits_for_leaves_the_worker(slow_service):
    async def leave():
        asking = asyncio.create_task(slow_service.open(chat_request(20), "", {}))
        await asyncio.sleep(0.2)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return await asyncio.wait_for(slow_service.beside_the_loop(lambda: "free"), 3)

    assert asyncio.run(leave()) == "free"
    assert slow_service.decoder.num_decoded == 1


def test_a_prompt_that_takes_too_long_is_refused(slow_service):
    with pytest.raises(ApiError, match=r"longer than 1\.2 s") as caught:
        asyncio.run(slow_service.open(chat_request(20), "", {}))
    assert (caught.value.status, caught.value.param) == (400, "messages")


def test_a_server_that_stops_ends_the_prompts_it_makes(slow_service):
    async def stop():
        asking = [asyncio.create_task(slow_service.open(chat_request(20), "", {})) for _ in range(2)]
        await asyncio.sleep(0.2)
        slow_service.shut()
        return await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), 2)

    assert [error.status for error in asyncio.run(stop())] == [503, 503]


@pytest.mark.parametrize("model_id", ["some/model", "a/b/c", ""])
def test_ids_of_models_may_have_slashes(client, model_id):
    response = client.get(f"/v1/models/{model_id}", follow_redirects=False)
    refused(response, "model", "model_not_found", 404)


def test_no_path_is_redirected(client):
    for path in ("/v1/chat/completions/", "/health/"):
        response = client.post(path, json={}, follow_redirects=False)
        refused(response, None, "not_found", 404)


def test_a_full_server_refuses_before_it_reads_a_body(assistant, tiny_build):
    app = build_app(ServerConfig(build=tiny_build, num_slots=1, queue_limit=0), assistant)
    headers = {"content-type": "application/json"}
    with TestClient(app, base_url="http://127.0.0.1") as made:
        for path in ("/v1/chat/completions", "/v1/audio/speech", "/v1/audio/transcriptions"):
            app.state.service._preparing["another"] = 1
            response = made.post(path, content=b"no JSON", headers=headers)
            assert response.status_code == 503, path
            assert response.json()["error"]["code"] == "overloaded"
            app.state.service._preparing.clear()
            response = made.post(path, content=b"no JSON", headers=headers)
            assert response.status_code in (400, 415), "there is place: what is wrong is told"


def test_health_tells_that_the_engine_has_ended(assistant, tiny_build):
    app = build_app(ServerConfig(build=tiny_build), assistant)
    with TestClient(app, base_url="http://127.0.0.1") as made:
        assert made.get("/health").status_code == 200
        app.state.service.engine.stop()
        response = made.get("/health")
    assert (response.status_code, response.json()["status"]) == (503, "the engine has ended")
