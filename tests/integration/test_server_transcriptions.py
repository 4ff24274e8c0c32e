"""POST /v1/audio/transcriptions of real servers: the official client, bad input, limits and clients that leave."""

import contextlib
import json
import threading
import time

import httpx
import numpy as np
import openai
import pytest
import torch
from asking import leave_early, metrics_of
from sound_files import encoded, muxed, tone

from omni_audio.model.assistant import Role, Turn
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.serving.settings import RequestLimits

MODEL = "omni-audio"
PATH = "/v1/audio/transcriptions"
SOUND = ("a.wav", encoded("WAV"))
NOISE = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)


def heard(url, file=SOUND, **fields):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        answer = client.audio.transcriptions.create(**{"model": MODEL, "file": file, **fields})
        return list(answer) if fields.get("stream") else answer


def post(url, files=None, data=None, **options):
    """Any form; by default a good one."""
    files = {"file": SOUND} if files is None else files
    data = {"model": MODEL} if data is None else data
    return httpx.post(f"{url}{PATH}", files=files, data=data, timeout=10, **options)


def said_by_the_network(assistant, pcm):
    turns = [Turn(role=Role.USER, pcm_S=torch.from_numpy(pcm))]
    request = GenerationRequest(mode=Mode.TRANSCRIBE, max_text_tokens=64 + -(-25 * len(pcm) // 16_000))
    return assistant.collect(lambda: assistant.prompt(turns, request.mode), request)


def test_the_words_are_those_of_the_network(server_url, assistant):
    for pcm in (tone(), NOISE):
        file = ("a.wav", encoded("WAV", pcm=pcm, subtype="FLOAT"))
        expected = said_by_the_network(assistant, pcm).text.strip()
        answer = heard(server_url, file)
        assert answer.text == expected != ""
        assert heard(server_url, file, response_format="text", language="en", prompt="x") == expected
        usage = answer.usage
        assert usage.type == "tokens"
        assert usage.input_token_details.audio_tokens == -(-len(pcm) // 1280)
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
        assert usage.input_tokens == sum(usage.input_token_details.to_dict().values())
    assert usage.output_tokens > 0


@pytest.mark.parametrize("response_format", ["json", "text"])
def test_streamed_words_are_the_plain_words(scripted_server, response_format):
    words = "  turn on the naïve 音声 light  "
    with scripted_server([("text", words), ("end", "stop")]) as url:
        plain = heard(url)
        assert plain.text == words.strip()
        *deltas, done = heard(url, stream=True, response_format=response_format)
        assert len(deltas) > 3
        assert {event.type for event in deltas} == {"transcript.text.delta"}
        assert "".join(event.delta for event in deltas) == plain.text
        assert (done.type, done.text) == ("transcript.text.done", plain.text)
        assert done.usage.to_dict() == plain.usage.to_dict()


@pytest.mark.parametrize("script", [[("end", "stop")], [("text", " \n "), ("end", "stop")]])
def test_silence_has_no_words(scripted_server, script):
    with scripted_server(script) as url:
        assert heard(url).text == ""
        (done,) = heard(url, stream=True)
        assert (done.type, done.text) == ("transcript.text.done", "")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.flac", encoded("FLAC")),
        ("a.ogg", encoded("OGG", subtype="VORBIS")),
        ("a.mp3", encoded("MP3")),
        ("a.webm", muxed("webm", "libopus", tone(48_000, 48_000), 48_000)),
        ("a.m4a", muxed("mp4", "aac", tone(48_000, 48_000), 48_000)),
        ("blob", encoded("WAV", channels=2)),
    ],
)
def test_formats(server_url, name, data):
    usage = heard(server_url, (name, data)).usage
    assert 13 <= usage.input_token_details.audio_tokens <= 15


def test_metrics_count_what_was_heard(live_server):
    with live_server() as url:
        usage = heard(url).usage
        found = metrics_of(url)
        assert found[f"requests_total {PATH} 200"] == 1
        assert found["tokens_total prompt audio"] == usage.input_token_details.audio_tokens
        assert found["tokens_total prompt text"] == usage.input_token_details.text_tokens
        assert found["tokens_total completion text"] == usage.output_tokens
        assert found["first_token_seconds_count"] == 1
        assert found["first_audio_seconds_count"] == found["real_time_factor_count"] == 0


@pytest.mark.parametrize(
    ("files", "data", "status", "code", "param"),
    [
        ({"other": SOUND}, None, 400, "missing_required_parameter", "file"),
        ({"file": (None, b"words")}, None, 400, "invalid_value", "file"),
        ({"file": ("a.wav", b"")}, None, 400, "invalid_audio", "file"),
        ({"file": ("a.wav", b"no sound " * 100)}, None, 400, "invalid_audio", "file"),
        ({"file": ("a.mp3", encoded("WAV"))}, None, 400, "invalid_audio", "file"),
        ({"file": ("a.flac", encoded("FLAC")[:60])}, None, 400, "invalid_audio", "file"),
        ({"file": ("a.txt", b"ffconcat version 1.0\nfile /etc/passwd")}, None, 400, "invalid_audio", "file"),
        (None, {}, 400, "missing_required_parameter", "model"),
        (None, {"model": "gpt-9"}, 404, "model_not_found", "model"),
        (None, {"model": [MODEL, MODEL]}, 400, "invalid_value", "model"),
        (None, {"model": MODEL, "response_format": "odd"}, 400, "invalid_value", "response_format"),
        (
            None,
            {"model": MODEL, "response_format": "diarized_json"},
            400,
            "unsupported_value",
            "response_format",
        ),
        (
            None,
            {"model": MODEL, "timestamp_granularities[]": "word"},
            400,
            "invalid_value",
            "timestamp_granularities",
        ),
        (None, {"model": MODEL, "temperature": "NaN"}, 400, "invalid_value", "temperature"),
        (None, {"model": MODEL, "stream": "maybe"}, 400, "invalid_value", "stream"),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
def test_bad_input_is_refused_by_name(server_url, files, data, status, code, param, is_stream):
    data = {"model": MODEL} if data is None else data
    response = post(server_url, files, {"stream": "true", **data} if is_stream else data)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param), error
    assert error["type"] == "invalid_request_error"


def test_other_bodies(server_url):
    for headers, content in (
        ({"content-type": "application/json"}, b"{}"),
        ({}, b""),
        ({"content-type": "multipart/form-data; boundary=x", "content-encoding": "gzip"}, b""),
    ):
        response = httpx.post(f"{server_url}{PATH}", content=content, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_media_type")
    headers = {"content-type": "multipart/form-data; boundary=x"}
    for content in (b"", b"--x\r\n", b"random bytes", b"--x\r\n\r\n\r\n--x--\r\n"):
        response = httpx.post(f"{server_url}{PATH}", content=content, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_multipart")


def test_limits_of_size_length_and_time(live_server):
    limits = RequestLimits(max_input_audio_s=2.0, max_prompt_positions=12)
    with live_server(body_limit_bytes=100_000, body_timeout_s=0.3, limits=limits) as url:
        large = post(url, {"file": ("a.wav", b"x" * 3_000_000)})
        assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")
        long = post(url, {"file": ("a.flac", encoded("FLAC", pcm=tone(33_000)))})
        assert (long.status_code, long.json()["error"]["param"]) == (400, "file")
        wide = post(url)
        error = wide.json()["error"]
        assert (wide.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", "file")

        def slowly():
            yield b"--x\r\n"
            time.sleep(0.8)
            yield b"--x--\r\n"

        with contextlib.suppress(httpx.WriteError):
            headers = {"content-type": "multipart/form-data; boundary=x"}
            late = httpx.post(f"{url}{PATH}", content=slowly(), headers=headers, timeout=5)
            assert (late.status_code, late.json()["error"]["code"]) == (408, "timeout")
        assert httpx.get(f"{url}/ready").status_code == 200


def test_keys(live_server, tmp_path):
    path = tmp_path / "keys"
    path.write_text("mine\n")
    with live_server(api_keys_file=path) as url:
        refused = post(url)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        assert post(url, headers={"authorization": "Bearer mine"}).status_code == 200


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_client_that_leaves_frees_its_slot(scripted_server, is_stream):
    with scripted_server([("until", threading.Event())], step_s=0.01, num_slots=1) as url:
        files, data = {"file": SOUND}, {"model": MODEL, "stream": str(is_stream).lower()}
        leave_early(url, PATH, is_stream, files=files, data=data)
        assert metrics_of(url)["slots_busy"] == 0


def test_a_failure_is_a_500_or_an_error_event(scripted_server):
    with scripted_server([("text", "some words"), ("break", "out of luck")], step_s=0.02) as url:
        plain = post(url)
        assert (plain.status_code, plain.json()["error"]["code"]) == (500, "server_error")
        text = post(url, data={"model": MODEL, "stream": "true"}).text
        events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        assert events[0]["type"] == "transcript.text.delta"
        assert events[-1]["error"]["type"] == "server_error"
        assert "luck" not in plain.text + text
        assert "transcript.text.done" not in text
