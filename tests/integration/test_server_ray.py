"""The server on Ray Serve, for real, where Ray is installed: answers, streams, leaving clients, overload."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from asking import MODEL, SOUND, USER, asked, wait_until
from refusals import clip
from server_process import free_port
from sound_files import encoded

pytest.importorskip("ray.serve", reason="needs the extra `ray`")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

START_TIMEOUT_S = 600.0
SERVE = """
import sys
from pathlib import Path
from omni_audio.serving.ray_serve import serve_on_ray
from omni_audio.serving.server import build_app
from omni_audio.serving.settings import RayConfig, ServerConfig
build, port = Path(sys.argv[1]), int(sys.argv[2])
config = ServerConfig(build=build, port=port, num_slots=1, queue_limit=1, drain_timeout_s=3)
serve_on_ray(config, RayConfig(max_replicas=1, num_cpus=0.1, queue_limit=2), lambda: build_app(config))
"""
LONG_TEXT = {"type": "object", "properties": {"a": {"type": "string", "minLength": 8000}}, "required": ["a"]}
LONG = {
    "model": MODEL,
    "messages": [USER],
    "max_tokens": 8000,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": LONG_TEXT}},
}


@pytest.fixture(scope="module")
def server(tiny_build):
    """The process that started the server, and the server's address."""
    port = free_port()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120"
    }  # of a machine that is busy with other things
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(tiny_build), str(port)], env=environment)
    made = f"http://127.0.0.1:{port}"

    def is_ready():
        assert process.poll() is None
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{made}/ready", timeout=20).status_code == 200
        return False

    try:
        wait_until(is_ready, START_TIMEOUT_S)
        yield process, made
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture
def url(server):
    return server[1]


def chat(url, **fields):
    body = {"model": MODEL, "messages": [USER], "max_tokens": 24, "seed": 1, **fields}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)


def engine_of(url):
    return httpx.get(f"{url}/health", timeout=20).json()["engine"]


def test_answers_and_refusals_are_those_of_the_app(url):
    answer = chat(url, messages=clip(encoded("WAV")), **SOUND)
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["audio"]["data"]
    assert answer.headers["x-request-id"].startswith("req_")
    refusal = chat(url, n=0)
    assert (refusal.status_code, refusal.json()["error"]["param"]) == (400, "n")


def test_streams_come_in_pieces(url):
    body = {**LONG, "stream": True, "max_tokens": 200}
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60) as response:
        pieces = list(response.iter_raw())
    events = [line[6:] for line in b"".join(pieces).decode().splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    assert len(pieces) > 10
    assert json.loads(events[0])["choices"][0]["delta"]["role"] == "assistant"


@pytest.mark.parametrize("stream", [True, False])
def test_a_leaving_client_frees_its_slot(url, stream):
    before = engine_of(url)["cancelled"]
    with asked(url, **LONG, stream=stream):
        wait_until(lambda: engine_of(url)["active"] == 1, 20.0)
    wait_until(lambda: engine_of(url)["active"] == 0, 5.0)
    assert engine_of(url)["cancelled"] == before + 1


def test_overload_is_a_503_with_an_error_object(url):
    with asked(url, **LONG), asked(url, **LONG):
        wait_until(lambda: engine_of(url)["pending"] == 1, 20.0)
        with ThreadPoolExecutor(30) as pool:
            refusals = list(pool.map(lambda _: chat(url), range(60)))
    for refusal in refusals:
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (503, "overloaded")
        assert int(refusal.headers["retry-after"]) >= 1
    wait_until(lambda: engine_of(url)["active"] == 0, 20.0)
    assert chat(url).status_code == 200


def test_answers_that_outlast_the_stop_end_with_an_error(server):
    """The last test here: the server is gone after it."""
    process, url = server
    body = {**LONG, "stream": True}
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("data: {")
        process.send_signal(signal.SIGTERM)
        start_s = time.monotonic()
        rest = [line for line in lines if line]
    assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "overloaded"
    assert time.monotonic() - start_s > 3
    assert process.wait(120) == 0
