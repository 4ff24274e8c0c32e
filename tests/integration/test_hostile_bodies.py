"""Hostile bodies against a real server process.

Classes 6, 12 to 19 and 25 of docs/api-status.md, "Hostile input".
"""

import contextlib
import http.client
import json
import time

import httpx
import orjson
import pytest
from asking import MODEL, SOUND, USER
from refusals import CLIP, clip, refused
from server_process import KEYS

LIMIT_BYTES = 32 * 2**20
BODY_TIMEOUT_S = 4.0
"""Of the server that these tests share; 30 s by default."""


def raw_answer(server, headers, pieces):
    """Sends what no HTTP library would; the status of the answer and its error's code, None where it has none."""
    connection = http.client.HTTPConnection(httpx.URL(server.url).netloc.decode(), timeout=60)
    sent = {"content-type": "application/json", "authorization": f"Bearer {KEYS[0]}", **headers}
    try:
        connection.putrequest("POST", "/v1/chat/completions")
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders()
        with contextlib.suppress(OSError):  # the server closed, its answer is there to be read
            for piece in pieces:
                connection.send(piece)
        response = connection.getresponse()
        is_json = response.headers["content-type"] == "application/json"
        answer = orjson.loads(response.read()) if is_json else {}
        return response.status, answer.get("error", {}).get("code")
    finally:
        connection.close()


def chunked(data, num_chunks):
    head = f"{len(data):x}\r\n".encode()
    for _ in range(num_chunks):
        yield head + data + b"\r\n"
    yield b"0\r\n\r\n"


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/octet-stream", "application/xml", "json"]
)
def test_class_06_neither_json_nor_multipart(hostile_server, content_type):
    response = hostile_server.post(b'{"model": "m"}', **{"content-type": content_type})
    refused(response, None, "unsupported_media_type", 415)


def too_large(server, headers, pieces):
    server.reset_peak()
    before_mib = server.rss_mib()
    assert raw_answer(server, headers, pieces) == (413, "request_too_large")
    assert server.peak_mib() - before_mib < 150


def test_class_12_declared_as_500_mb(hostile_server):
    start_s = time.monotonic()
    too_large(hostile_server, {"content-length": str(500 * 10**6)}, [b"{"])
    assert time.monotonic() - start_s < BODY_TIMEOUT_S + 5


def test_class_12_chunks_over_the_limit(hostile_server):
    num_mib = LIMIT_BYTES // 2**20 + 8
    too_large(hostile_server, {"transfer-encoding": "chunked"}, chunked(b" " * 2**20, num_mib))


@pytest.mark.slow
@pytest.mark.parametrize("headers", [{"content-length": str(500 * 2**20)}, {"transfer-encoding": "chunked"}])
def test_class_12_500_mb_are_really_sent(hostile_server, headers):
    whole = "content-length" in headers
    too_large(hostile_server, headers, [b" " * 2**20] * 500 if whole else chunked(b" " * 2**20, 500))


def test_class_12_content_length_that_lies(hostile_server):
    body = orjson.dumps({"model": MODEL, "messages": [USER], "max_tokens": 2})
    short, _ = raw_answer(hostile_server, {"content-length": str(len(body) - 5)}, [body])
    assert short == 400
    assert raw_answer(hostile_server, {"content-length": str(len(body) + 5)}, [body]) == (408, "timeout")
    for value in ("-1", "1e3", "x", "9" * 5000):
        status, _ = raw_answer(hostile_server, {"content-length": value}, [])
        assert status in (400, 413), value


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
def test_class_12_content_encoding(hostile_server, encoding):
    response = hostile_server.post(b"{}", **{"content-encoding": encoding})
    refused(response, None, "unsupported_media_type", 415)


def test_class_13_slow_loris(hostile_server):
    def slowly():
        for _ in range(60):
            time.sleep(0.5)
            yield b" "

    start_s = time.monotonic()
    assert raw_answer(hostile_server, {"content-length": "1000"}, slowly()) == (408, "timeout")
    assert time.monotonic() - start_s < 25, "the connection was not closed"


def spelled(name, value):
    """A body in which a number is spelled as no JSON library would."""
    body = {"model": MODEL, "messages": [USER], "max_tokens": 2, **SOUND, name: "?"}
    return orjson.dumps(body).replace(b'"?"', value)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
@pytest.mark.parametrize("name", ["temperature", "speed"])
def test_class_14_and_15_numbers_that_json_has_not(hostile_server, name, value):
    refused(hostile_server.post(spelled(name, value)), None, "invalid_json")


@pytest.mark.parametrize("value", ["0.5", True, -0.1, 2.1, 10**400, [1], {}])
def test_class_14_temperature(hostile_server, value):
    content = json.dumps({"model": MODEL, "messages": [USER], "temperature": value})
    refused(hostile_server.post(content), None if value == 10**400 else "temperature")


@pytest.mark.parametrize("speed", [0, -1, 0.24, 4.01, "1", True])
def test_class_15_speed(hostile_server, speed):
    refused(hostile_server.chat(**SOUND, speed=speed), "speed")
    audio = {**SOUND, "audio": SOUND["audio"] | {"speed": speed}}
    refused(hostile_server.chat(**audio), "audio.speed")
    body = {"model": "omni-audio", "voice": "alloy", "input": "hi", "speed": speed}
    refused(hostile_server.post(orjson.dumps(body), "/v1/audio/speech"), "speed")


PLAIN = orjson.dumps({"model": MODEL, "messages": [USER], "max_tokens": 2})
NO_JSON = {
    "100k deep": b"[" * 100_000,
    "100k deep and closed": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100k deep in messages": b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "5000 digits": PLAIN.replace(b'"max_tokens":2', b'"seed":' + b"9" * 5000),
    "trailing garbage": PLAIN + b" x",
    "two values": PLAIN + PLAIN,
    "BOM": b"\xef\xbb\xbf" + PLAIN,
    "UTF-16": PLAIN.decode().encode("utf-16"),
    "nothing": b"",
    "half": PLAIN[:-5],
}


@pytest.mark.parametrize("name", NO_JSON)
def test_class_16_what_is_no_json(hostile_server, name):
    start_s = time.monotonic()
    refused(hostile_server.post(NO_JSON[name]), None, "invalid_json")
    assert time.monotonic() - start_s < 5


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"5"])
def test_class_16_json_that_is_no_object(hostile_server, content):
    refused(hostile_server.post(content), None)


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udc00 \ud800", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80"])
def test_class_17_lone_surrogates_and_bad_utf8(hostile_server, text):
    refused(hostile_server.post(PLAIN.replace(b'"hi"', b'"' + text + b'"')), None, "invalid_json")
    form = b'--XX\r\nContent-Disposition: form-data; name="request"\r\n\r\n' + PLAIN + b"\r\n--XX--\r\n"
    response = hostile_server.post(
        form.replace(b'"hi"', b'"' + text + b'"'), **{"content-type": "multipart/form-data; boundary=XX"}
    )
    refused(response, None)


CONTROL_WORDS = [
    "<|end|>",
    "<end>",
    "<tool_call>",
    "</s>",
    "<|audio|>",
    "<assistant>",
    "<bos>",
    "<reply_audio>",
]


@pytest.mark.parametrize("words", CONTROL_WORDS)
def test_class_17_control_words_stay_text(hostile_server, words):
    """A control token is one position; text of letters that the vocabulary has no pairs of is one for each byte."""
    place = {"messages": [{"role": "user", "content": words}]}
    likeness = {"messages": [{"role": "user", "content": words.translate(str.maketrans("<>|", "{}~"))}]}
    counts = [hostile_server.chat(**each).json()["usage"]["prompt_tokens"] for each in (place, likeness)]
    assert counts[0] == counts[1] > 4


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "robot", "content": "hi"}, "role"),
        ({"role": None, "content": "hi"}, "role"),
        ({"content": "hi"}, "role"),
        ({"role": "user"}, "content"),
        ({"role": "user", "content": None}, "content"),
        ({"role": "user", "content": []}, "content"),
        ({"role": "system"}, "content"),
        ({"role": "assistant"}, "content"),
        ({"role": "tool", "content": "x"}, "tool_call_id"),
        ({"role": "tool", "content": "x", "tool_call_id": "call_1"}, "tool_call_id"),
        (
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            "tool_calls[0].id",
        ),
        ({"role": "function", "content": "x", "name": "f"}, "name"),
        ({"role": "user", "content": [{"type": "hologram"}]}, "content[0].type"),
    ],
)
def test_class_18_messages(hostile_server, message, param):
    refused(hostile_server.chat(messages=[USER, message]), f"messages[1].{param}")


def test_class_19_no_messages(hostile_server):
    refused(hostile_server.chat(messages=[]), "messages")
    refused(hostile_server.chat(messages=None), "messages")


def test_class_19_ten_thousand_messages(hostile_server):
    start_s = time.monotonic()
    response = hostile_server.chat(messages=[{"role": "user", "content": "a b"}] * 10_000)
    assert response.status_code == 200, response.text[:300]
    assert response.json()["usage"]["prompt_tokens"] >= 30_000
    assert time.monotonic() - start_s < 60


@pytest.mark.parametrize("num_messages", [1, 1000])
def test_class_19_more_positions_than_the_limit(hostile_server, num_messages):
    hostile_server.reset_peak()
    before_mib, before_s = hostile_server.rss_mib(), hostile_server.cpu_s()
    content = "words " * (4_000_000 // num_messages)
    response = hostile_server.chat(messages=[{"role": "user", "content": content}] * num_messages)
    refused(response, "messages", "context_length_exceeded")
    assert hostile_server.cpu_s() - before_s < 5
    assert hostile_server.peak_mib() - before_mib < 300


FLOODS = {
    "messages": b'{"model":"m","messages":[%s]}' % (b"0," * 200_000 + b"0"),
    "parts": b'{"model":"m","messages":[{"role":"user","content":[%s]}]}' % (b"{}," * 200_000 + b"{}"),
    "metadata": PLAIN[:-1] + b',"metadata":{%s}}' % b",".join(b'"%d":0' % key for key in range(200_000)),
    "values": b'{"model":"m","x":[%s]}' % (b"[]," * 2_000_000 + b"0"),
    "small messages": b'{"model":"m","messages":[%s]}'
    % b",".join([b'{"role":"user","content":""}'] * 130_000),
}


@pytest.mark.parametrize("name", FLOODS)
def test_class_19_many_small_values(hostile_server, name):
    """A fault or an object for each of them would take seconds of the event loop and gigabytes."""
    hostile_server.reset_peak()
    before_mib, before_s = hostile_server.rss_mib(), hostile_server.cpu_s()
    response = hostile_server.post(FLOODS[name])
    assert response.status_code == 400, response.text[:300]
    assert hostile_server.cpu_s() - before_s < 1.0
    assert hostile_server.peak_mib() - before_mib < 150


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        *[({"n": value}, "n") for value in (0, -1, 129, 1.5, "1", 2**70)],
        *[({"max_tokens": value}, "max_tokens") for value in (0, -1, 2**63)],
        *[
            ({"max_completion_tokens": value, "max_tokens": None}, "max_completion_tokens")
            for value in (0, 2**63)
        ],
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"modalities": ["text", "audio"]}, "audio"),
        ({"modalities": ["audio"], "audio": None}, "audio"),
        ({"modalities": []}, "modalities"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"seed": 2**63}, "seed"),
    ],
)
def test_class_25_numbers_out_of_range(hostile_server, fields, param):
    refused(hostile_server.chat(**fields), param)


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", "Basic a2V5", f"Bearer {KEYS[0]}x", "Bearer \xe4"],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/audio/speech", "/v1/audio/transcriptions"])
def test_class_25_bad_key(hostile_server, path, authorization):
    headers = {"authorization": authorization.encode("latin-1"), "content-type": "application/json"}
    response = httpx.post(f"{hostile_server.url}{path}", content=PLAIN, headers=headers, timeout=30)
    refused(response, None, "invalid_api_key", 401)
    assert response.headers["www-authenticate"] == "Bearer"
    assert authorization[7:] not in response.text or not authorization[7:].strip()


def test_a_refused_clip_leaves_its_key_usable(hostile_server):
    refused(hostile_server.chat(key=KEYS[1], messages=clip(b"")), f"{CLIP}.data")
    assert hostile_server.chat(key=KEYS[1]).status_code == 200
