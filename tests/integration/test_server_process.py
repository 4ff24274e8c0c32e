"""A server process that loses its decoder, and one that is told to end."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from asking import MODEL, USER, wait_until
from refusals import clip
from server_process import KEYS, running_server
from sound_files import encoded

from omni_audio.serving.server import ENGINE_FAILED_STATUS

HEARD = clip(encoded("WAV"))


def test_kill_9_of_the_decoder_fails_the_request_it_had_and_no_other(hostile_server):
    assert hostile_server.chat(messages=HEARD).status_code == 200
    before = hostile_server.metrics()["decoder_restarts_total"]
    killed = hostile_server.decoder_pid
    os.kill(killed, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(hostile_server.chat, messages=HEARD)
        time.sleep(0.5)
        os.kill(killed, signal.SIGKILL)
        answer = asking.result(30)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (500, "server_error", "server_error")
    assert "decoder" not in error["message"]
    assert hostile_server.chat(messages=HEARD).status_code == 200
    assert hostile_server.decoder_pid != killed
    assert hostile_server.metrics()["decoder_restarts_total"] == before + 1


def test_a_decoder_that_is_killed_while_idle_is_missed_by_nobody(hostile_server):
    assert hostile_server.chat(messages=HEARD).status_code == 200
    os.kill(hostile_server.decoder_pid, signal.SIGKILL)
    time.sleep(0.2)
    assert hostile_server.chat(messages=HEARD).status_code == 200


def test_sigterm_lets_streams_end_and_leaves_no_process(tiny_build):
    body = {"model": MODEL, "messages": [USER], "stream": True, "max_tokens": 150, "seed": 1}
    headers = {"authorization": f"Bearer {KEYS[0]}"}
    with running_server(tiny_build, stops_itself=True) as server:
        decoder = server.decoder_pid
        with httpx.stream(
            "POST", f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=30
        ) as response:
            lines = response.iter_lines()
            first = next(lines)
            os.kill(server.pid, signal.SIGTERM)
            rest = [line for line in lines if line]
        assert first.startswith("data: {")
        assert rest[-1] == "data: [DONE]"
        wait_until(lambda: not Path(f"/proc/{decoder}").exists(), 20.0)


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_may_ask_by_head(hostile_server, path):
    answer = hostile_server.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


DEAD_ENGINE = "from omni_audio.serving.engine import Engine; Engine._admit = lambda engine: 1 / 0"
"""Its loop ends with the first request."""


def test_a_server_whose_engine_dies_fails_its_requests_and_ends_with_a_status(tiny_build):
    with running_server(tiny_build, stops_itself=True, broken_by=DEAD_ENGINE) as server:
        decoder = server.decoder_pid
        assert server.client.get("/health").status_code == 200
        answer = server.chat()
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "server_error")
        assert server.process.wait(20) == ENGINE_FAILED_STATUS
        wait_until(lambda: not Path(f"/proc/{decoder}").exists(), 20.0)
