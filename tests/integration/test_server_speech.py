"""POST /v1/audio/speech through the official client and by hand."""

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from asking import client_of
from sound_files import decoded

from omni_audio.audio.units import FRAME_SAMPLES, SAMPLE_RATE_HZ
from omni_audio.serving import audio_codec
from omni_audio.serving.audio_codec import Pcm16Stream
from omni_audio.serving.settings import RequestLimits

TEXT = "Turn on the light, please."
SPEECH = {"model": "omni-audio", "input": TEXT, "voice": "alloy"}
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
FREE_TIMEOUT_S = 1.0


@pytest.fixture(scope="module")
def client(server_url):
    with client_of(server_url) as made:
        yield made


@pytest.fixture(scope="module")
def http(server_url):
    with httpx.Client(base_url=server_url, timeout=20) as made:
        yield made


def post(http, **fields):
    return http.post("/v1/audio/speech", json={**SPEECH, **fields})


def events_of(text):
    """The JSON objects of server-sent events."""
    blocks = text.removesuffix("\n\n").split("\n\n")
    assert all(block.startswith("data: ") for block in blocks)
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def file_name(response_format):
    return {"pcm": "pcm16"}.get(response_format, response_format)


@pytest.fixture(scope="module")
def spoken(assistant):
    """What the build itself says, (S,) 16 kHz."""
    return assistant.say(TEXT, takes=1, seed=0).pcm_S.numpy()


@pytest.mark.parametrize("response_format", list(MEDIA_TYPES))
def test_the_build_speaks_the_text_in_each_format(client, spoken, response_format):
    answer = client.audio.speech.create(**SPEECH, response_format=response_format)
    assert answer.response.headers["content-type"] == MEDIA_TYPES[response_format]
    heard_S = decoded(answer.content, file_name(response_format))
    assert -0.001 <= (len(heard_S) - len(spoken)) / SAMPLE_RATE_HZ <= 0.15
    if response_format == "pcm":
        resampler = Pcm16Stream()
        expected_S = np.frombuffer(resampler.feed(spoken) + resampler.finish(), "<i2").astype(int)
        given_S = np.frombuffer(answer.content, "<i2").astype(int)
        assert np.abs(given_S - expected_S).max() <= 1


def test_mp3_is_the_default_and_equal_requests_give_equal_bytes(client):
    answer = client.audio.speech.create(**SPEECH, instructions="Whisper.")
    assert answer.response.headers["content-type"] == "audio/mpeg"
    assert answer.content == client.audio.speech.create(**SPEECH, response_format="mp3").content
    assert answer.content != client.audio.speech.create(**SPEECH | {"input": "Turn it off."}).content


@pytest.mark.parametrize("response_format", list(MEDIA_TYPES))
def test_streamed_bytes_are_the_file(client, response_format):
    plain = client.audio.speech.create(**SPEECH, response_format=response_format).content
    with client.audio.speech.with_streaming_response.create(
        **SPEECH, response_format=response_format
    ) as answer:
        assert b"".join(answer.iter_bytes(1000)) == plain
        assert "content-length" not in answer.headers


@pytest.mark.parametrize("response_format", list(MEDIA_TYPES))
def test_server_sent_events_hold_the_file(http, response_format):
    plain = post(http, response_format=response_format).content
    answer = post(http, response_format=response_format, stream_format="sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    *deltas, done = events_of(answer.text)
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert len(deltas) > 1
    assert all(len(base64.b64decode(event["audio"])) % 3 == 0 for event in deltas[:-1])
    assert base64.b64decode("".join(event["audio"] for event in deltas), validate=True) == plain
    assert done["type"] == "speech.audio.done"
    usage = done["usage"]
    assert usage["input_tokens"] > len(TEXT) - 3
    assert usage["output_tokens"] >= len(TEXT.split())
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_speed(client, spoken, speed):
    answer = client.audio.speech.create(**SPEECH, response_format="flac", speed=speed)
    num_samples = len(decoded(answer.content, "flac"))
    assert num_samples == pytest.approx(len(spoken) / speed, rel=0.01, abs=FRAME_SAMPLES / 2)
    voice = {"id": "default", "speed": speed}
    request = SPEECH | {"voice": voice, "response_format": "flac"}
    assert client.audio.speech.create(**request).content == answer.content


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": "a" * 4097}, "input"),
        ({"input": None}, "input"),
        ({"input": ["a"]}, "input"),
        ({"input": "..., !"}, "input"),
        ({"input": "at 5 o'clock"}, "input"),
        ({"input": "größer"}, "input"),
        ({"model": ""}, "model"),
        ({"model": 1}, "model"),
        ({"voice": "nobody"}, "voice"),
        ({"voice": {"id": "nobody"}}, "voice.id"),
        ({"voice": None}, "voice"),
        ({"voice": {}}, "voice.id"),
        ({"instructions": 5}, "instructions"),
        ({"response_format": "midi"}, "response_format"),
        ({"response_format": "pcm16"}, "response_format"),
        ({"speed": 0}, "speed"),
        ({"speed": 0.24}, "speed"),
        ({"speed": 4.01}, "speed"),
        ({"speed": "1"}, "speed"),
        ({"speed": True}, "speed"),
        ({"speed": 2.0, "voice": {"id": "alloy", "speed": 1.0}}, "voice.speed"),
        ({"stream_format": "chunks"}, "stream_format"),
    ],
)
def test_bad_value_is_a_400_with_its_parameter(http, fields, param):
    answer = post(http, **fields)
    error = answer.json()["error"]
    assert answer.status_code == 400, error
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert isinstance(error["code"], str)
    assert answer.headers["x-request-id"].startswith("req_")


def test_other_refusals_are_those_of_the_server(http):
    path = "/v1/audio/speech"
    missing = post(http, model="gpt-9")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
    for content in (b"", b"{", b"[]", b'{"speed": NaN}', b'{"input": "\xff"}'):
        answer = http.post(path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 400
    assert http.post(path, data={"input": "hi"}).status_code == 415
    assert http.get(path).status_code == 405


def test_keys_and_large_bodies(live_server, tmp_path):
    path = tmp_path / "keys"
    path.write_text("secret\n")
    with live_server(api_keys_file=path, body_limit_bytes=10_000) as url:
        target = f"{url}/v1/audio/speech"
        assert httpx.post(target, json=SPEECH, timeout=10).json()["error"]["code"] == "invalid_api_key"
        key = {"authorization": "Bearer secret"}
        assert httpx.post(target, json=SPEECH, headers=key, timeout=20).status_code == 200
        large = httpx.post(target, json=SPEECH | {"instructions": "x" * 20_000}, headers=key, timeout=10)
        assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_sound_comes_early_and_a_client_that_leaves_frees_the_slot(scripted_server, engine_of, stream_format):
    script = [("sound_until", threading.Event())]
    with scripted_server(script, step_s=0.005, num_slots=1) as url, client_of(url) as client:
        speech = client.audio.speech.with_streaming_response
        with speech.create(**SPEECH, stream_format=stream_format) as answer:
            chunks = answer.iter_bytes()
            assert next(chunks)
            assert engine_of(url)["active"] == 1
        deadline_s = time.monotonic() + FREE_TIMEOUT_S
        while engine_of(url)["active"]:
            assert time.monotonic() < deadline_s, "not within the time"
            time.sleep(0.02)
        assert engine_of(url)["cancelled"] == 1


def test_a_client_that_leaves_before_the_sound_frees_the_slot(scripted_server, engine_of):
    with scripted_server([("until", threading.Event())], step_s=0.01, num_slots=1) as url:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/v1/audio/speech", json=SPEECH, timeout=1.0)
        deadline_s = time.monotonic() + FREE_TIMEOUT_S
        while engine_of(url)["active"]:
            assert time.monotonic() < deadline_s, "not within the time"
            time.sleep(0.02)
        assert engine_of(url)["cancelled"] == 1


def test_a_format_without_its_encoder_is_a_400(http, monkeypatch):
    monkeypatch.setattr(audio_codec, "has_encoder", lambda encoder: encoder != "libmp3lame")
    error = post(http).json()["error"]
    assert (error["param"], error["code"]) == ("response_format", "unsupported_value")
    assert "'pcm'" in error["message"]
    assert post(http, response_format="opus").status_code == 200


def test_overload_is_a_503(scripted_server, engine_of):
    go_on = threading.Event()
    script = [("sound_until", go_on), ("end", "stop")]
    with (
        scripted_server(script, step_s=0.01, num_slots=1, queue_limit=0) as url,
        ThreadPoolExecutor(1) as pool,
    ):
        try:
            served = pool.submit(httpx.post, f"{url}/v1/audio/speech", json=SPEECH, timeout=20)
            while engine_of(url)["active"] == 0:
                time.sleep(0.02)
            refused = httpx.post(f"{url}/v1/audio/speech", json=SPEECH, timeout=10)
        finally:
            go_on.set()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert served.result(10).status_code == 200


def test_a_failure_before_the_sound_is_a_500(scripted_server):
    with scripted_server([("break", "out of luck")]) as url:
        answer = httpx.post(f"{url}/v1/audio/speech", json=SPEECH, timeout=10)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "server_error")
        assert "luck" not in answer.text


def test_a_failure_in_mid_stream_is_never_a_whole_file(scripted_server):
    with scripted_server([("sound", 20), ("break", "out of luck")], step_s=0.01) as url:
        target = f"{url}/v1/audio/speech"
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(target, json=SPEECH, timeout=10)
        *deltas, last = events_of(httpx.post(target, json=SPEECH | {"stream_format": "sse"}, timeout=10).text)
        assert deltas
        assert last["error"]["type"] == "server_error"
        assert httpx.post(target, json=SPEECH | {"input": "7"}, timeout=10).status_code == 400


def test_a_text_that_is_cut_off_is_an_error(live_server):
    with live_server(limits=RequestLimits(max_audio_frames=4)) as url:
        target = f"{url}/v1/audio/speech"
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(target, json=SPEECH, timeout=10)
        answer = httpx.post(target, json=SPEECH | {"stream_format": "sse"}, timeout=10)
        error = events_of(answer.text)[-1]["error"]
        assert (error["param"], error["code"]) == ("input", "context_length_exceeded")
        assert "4 frames" in error["message"]
