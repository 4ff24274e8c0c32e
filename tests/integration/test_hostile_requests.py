"""Requests that cost, or that nobody waits for, against a real server process.

Classes 20 to 24 of docs/api-status.md, "Hostile input".
"""

import contextlib
import itertools
import re
import socket
import threading
import time

import httpx
import orjson
import pytest
from asking import MODEL, SOUND, USER, asked, wait_until
from refusals import refused
from server_process import KEYS

NUM_SLOTS = 2
SCHEMA = "response_format.json_schema.schema"
LONG_TEXT = {"type": "object", "properties": {"a": {"type": "string", "minLength": 8000}}, "required": ["a"]}
"""What an untrained network takes many seconds to write."""


def wanted(schema, strict=False):
    return {"type": "json_schema", "json_schema": {"name": "s", "schema": schema, "strict": strict}}


def long_answer(stream):
    return {
        "model": MODEL,
        "messages": [USER],
        "stream": stream,
        "response_format": wanted(LONG_TEXT),
        "max_tokens": 8000,
    }


@contextlib.contextmanager
def other_stream(server):
    """Times at which an answer's chunks come, while it lasts."""
    times_s, is_over = [], threading.Event()
    headers = {"authorization": f"Bearer {KEYS[1]}"}
    target = f"{server.url}/v1/chat/completions"

    def read():
        with httpx.stream("POST", target, json=long_answer(True), headers=headers, timeout=60) as response:
            for _ in response.iter_raw():
                times_s.append(time.monotonic())
                if is_over.is_set():
                    return

    reading = threading.Thread(target=read)
    reading.start()
    try:
        wait_until(lambda: len(times_s) > 3, 20.0)
        yield times_s
    finally:
        is_over.set()
        reading.join()


def nested(num_levels):
    schema = {"type": "string"}
    for _ in range(num_levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def unsatisfiable():
    return {"type": "object", "properties": {"a": False}, "required": ["a"], "additionalProperties": False}


def texts(num, pattern):
    """As many properties, each with a pattern that holds its number where `{}` stands."""
    properties = {f"p{index}": {"type": "string", "pattern": pattern.format(index)} for index in range(num)}
    return {"type": "object", "properties": properties}


COSTLY_SCHEMAS = {
    "4900 patterns": texts(4900, "^a{}$"),
    "patterns that must all match": {
        "allOf": [{"type": "string", "pattern": f"{index}.*a"} for index in range(500)]
    },
    "factors": {
        "type": "object",
        "properties": {f"p{index}": {"type": "integer", "multipleOf": 1001 + index} for index in range(2000)},
    },
}
"""What llguidance would work on for seconds, minutes and longer, and nothing refuses before it is asked."""

HOSTILE_SCHEMAS = {
    "external $ref": {"$ref": "http://127.0.0.1:9/schema.json"},
    "file $ref": {"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}},
    "missing $ref": {"$ref": "#/$defs/missing"},
    "$ref to itself": {"$ref": "#"},
    "5001 properties": {"type": "object", "properties": {f"p{index}": {} for index in range(5001)}},
    "50k enum values": {"enum": [f"v{index}" for index in range(50_000)]},
    "1000 levels": nested(400),
    "nothing satisfies it": unsatisfiable(),
    "nothing satisfies a number": {"type": "integer", "minimum": 5, "maximum": 1},
    "unknown type": {"type": "hologram"},
}


def timed(server, **fields):
    start_s = server.cpu_s()
    response = server.chat(**fields)
    return response, server.cpu_s() - start_s


@pytest.mark.parametrize("name", HOSTILE_SCHEMAS)
def test_class_20_schemas(hostile_server, name):
    response, cpu_s = timed(hostile_server, response_format=wanted(HOSTILE_SCHEMAS[name]))
    refused(response, SCHEMA, "invalid_schema")
    assert cpu_s < 2
    function = {"name": "f", "parameters": {"type": "object", "properties": {"a": HOSTILE_SCHEMAS[name]}}}
    if "$ref" not in name and "1000" not in name:
        response, cpu_s = timed(hostile_server, tools=[{"type": "function", "function": function}])
        assert response.status_code in (200, 400)
        assert cpu_s < 2


@pytest.mark.parametrize("name", COSTLY_SCHEMAS)
def test_class_20_schemas_that_take_long_to_compile(hostile_server, name):
    function = {"name": "f", "parameters": {"type": "object", "properties": {"a": COSTLY_SCHEMAS[name]}}}
    asked = {SCHEMA: {"response_format": wanted(COSTLY_SCHEMAS[name])}}
    asked["tools"] = {"tools": [{"type": "function", "function": function}]}
    for param, fields in asked.items():
        response, cpu_s = timed(hostile_server, **fields)
        refused(response, param, "invalid_schema")
        assert re.search("too (long|large) to compile.*Simplify it", response.json()["error"]["message"])
        assert 0.1 < cpu_s < 2, "it was refused before it was compiled, or compiled without a limit"


def test_class_20_a_thousand_levels_of_json(hostile_server):
    schema = b'{"type":"object","properties":{"a":' * 1000 + b"{}" + b"}}" * 1000
    body = orjson.dumps({"model": MODEL, "messages": [USER], "response_format": wanted({})})
    refused(hostile_server.post(body.replace(b'"schema":{}', b'"schema":' + schema)), None, "invalid_json")


def test_class_20_recursive_schema(hostile_server):
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["children"],
        "additionalProperties": False,
    }
    response, cpu_s = timed(hostile_server, response_format=wanted(tree))
    assert response.status_code == 200, response.text[:300]
    assert cpu_s < 2


@pytest.mark.parametrize("name", [*COSTLY_SCHEMAS, "2000 patterns", "50k enum values"])
def test_class_20_other_streams_are_not_blocked(hostile_server, name):
    """The 2000 patterns are compiled to their end, twice: where they are tried, and in the server itself."""
    schema = {**COSTLY_SCHEMAS, **HOSTILE_SCHEMAS, "2000 patterns": texts(2000, "^b{}$")}[name]
    with other_stream(hostile_server) as times_s:
        start_s = time.monotonic()
        response = hostile_server.chat(response_format=wanted(schema))
        end_s = time.monotonic()
        if name == "2000 patterns":
            assert response.status_code == 200, response.text[:300]
        else:
            refused(response, SCHEMA, "invalid_schema")
            assert name not in COSTLY_SCHEMAS or "to compile" in response.text
        wait_until(lambda: times_s[-1] > end_s, 5.0)
    during_s = [point for point in times_s if point > start_s - 0.2]
    gaps_s = [after - before for before, after in itertools.pairwise(during_s)]
    assert max(gaps_s) < 1.0


PATTERNS = [
    "^(a+)+$",
    "^(a|aa)*b$",
    "^([a-zA-Z]+)*$",
    "(.*)*(.*)*(.*)*x",
    "^(a?){5000}a{5000}$",
    "(x+x+)+y",
    "a{100000}",
    "(((((a{30}){30}){30}){30}){30})",
    "(?=a)b",
    r"(a)\1",
    "[",
    "\\",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_class_21_patterns(hostile_server, pattern):
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": pattern}},
        "required": ["a"],
        "additionalProperties": False,
    }
    response, cpu_s = timed(hostile_server, response_format=wanted(schema))
    assert cpu_s < 2
    if response.status_code != 200:
        refused(response, SCHEMA, "invalid_schema")


def test_class_21_a_pattern_that_cannot_be_followed_to_its_end_fails_alone(hostile_server):
    pattern = {"type": "string", "pattern": "^(a?){5000}a{5000}$"}
    schema = {
        "type": "object",
        "properties": {"a": pattern},
        "required": ["a"],
        "additionalProperties": False,
    }
    with other_stream(hostile_server) as times_s:
        for fields in ({}, {"stream": True}):
            response = hostile_server.chat(response_format=wanted(schema), max_tokens=100, **fields)
            if fields and response.status_code == 200:
                assert '"code":"invalid_schema"' in response.text
                assert "[DONE]" not in response.text
            else:
                refused(response, SCHEMA, "invalid_schema")
        end_s = time.monotonic()
        wait_until(lambda: times_s[-1] > end_s, 5.0)
    function = {"name": "f", "parameters": schema}
    call = {
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "required",
        "max_tokens": 100,
    }
    refused(hostile_server.chat(**call), "tools", "invalid_schema")


def test_class_22_earlier_answers_of_others(hostile_server):
    def follow_up(key, answer_id):
        return hostile_server.chat(
            key=key, messages=[USER, {"role": "assistant", "audio": {"id": answer_id}}, USER]
        )

    answer = hostile_server.chat(**SOUND).json()["choices"][0]["message"]["audio"]
    own = follow_up(KEYS[0], answer["id"])
    of_another_key = follow_up(KEYS[1], answer["id"])
    unknown = follow_up(KEYS[1], "audio_" + "0" * 32)
    wait_until(lambda: time.time() > answer["expires_at"], 10.0)
    expired = follow_up(KEYS[0], answer["id"])
    assert own.status_code == 200
    for response in (of_another_key, unknown, expired):
        refused(response, "messages[1].audio.id", "audio_not_found", 404)
    assert of_another_key.json() == unknown.json() == expired.json()
    assert re.fullmatch(r"audio_[0-9a-f]{32,}", answer["id"])


def tokens_made(server):
    return {
        name: value for name, value in server.metrics().items() if name.startswith("tokens_total completion")
    }


@contextlib.contextmanager
def left(server, **fields):
    """A request whose client leaves at the end of the block, and a check that this is counted within a second."""
    with asked(server.url, key=KEYS[0], **(long_answer(stream=False) | fields)):
        yield
        before = server.metrics()["streams_total cancelled"]
    start_s = time.monotonic()
    wait_until(lambda: server.metrics()["streams_total cancelled"] == before + 1, 5.0)
    assert time.monotonic() - start_s < 1.0 + server_delay_s(server)


def server_delay_s(server):
    """How long the machine takes for the least that the server can do, several times over."""
    start_s = time.monotonic()
    for _ in range(5):
        server.client.get("/health")
    return time.monotonic() - start_s


@pytest.mark.parametrize("stream", [True, False])
def test_class_23_disconnect_from_a_running_answer(hostile_server, stream):
    with left(hostile_server, stream=stream):
        wait_until(lambda: hostile_server.metrics()["slots_busy"] == 1, 10.0)
        time.sleep(0.3)
    assert hostile_server.metrics()["slots_busy"] == 0
    made = tokens_made(hostile_server)
    time.sleep(0.3)
    assert tokens_made(hostile_server) == made


def test_class_23_disconnect_from_the_queue(hostile_server):
    with contextlib.ExitStack() as running:
        for _ in range(NUM_SLOTS):
            running.enter_context(left(hostile_server, stream=True))
        wait_until(lambda: hostile_server.metrics()["slots_busy"] == NUM_SLOTS, 10.0)
        made = tokens_made(hostile_server)
        with left(hostile_server):
            wait_until(lambda: hostile_server.metrics()["queue_length"] == 1, 10.0)
        assert hostile_server.metrics()["queue_length"] == 0
        assert tokens_made(hostile_server) == made


def test_class_23_disconnect_while_the_prompt_is_read(hostile_server):
    made = tokens_made(hostile_server)
    with left(hostile_server, messages=[{"role": "user", "content": "a b " * 25_000}]):
        wait_until(lambda: hostile_server.metrics()["slots_busy"] == 1, 30.0)
    assert hostile_server.metrics()["slots_busy"] == 0
    assert tokens_made(hostile_server) == made


def test_class_24_a_reader_that_stops_reading_is_dropped(hostile_server):
    """Each chunk holds kilobytes of probabilities, so that what the kernel keeps for a reader is full soon."""
    before = hostile_server.metrics()
    before_mib = hostile_server.rss_mib()
    body = orjson.dumps(long_answer(stream=True) | {"logprobs": True, "top_logprobs": 20, "n": NUM_SLOTS})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEYS[0]}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    url = httpx.URL(hostile_server.url)
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((url.host, url.port))
        reader.sendall(head.encode() + body)
        assert reader.recv(100).startswith(b"HTTP/1.1 200")
        num_before = before["slow_readers_total"]
        wait_until(lambda: hostile_server.metrics()["slow_readers_total"] > num_before, 120.0)
    wait_until(lambda: hostile_server.metrics()["slots_busy"] == 0, 1.0)
    assert hostile_server.rss_mib() - before_mib < 50
