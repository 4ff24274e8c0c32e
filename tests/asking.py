"""How tests of real servers ask, and wait for what follows."""

import contextlib
import http.client
import json
import threading
import time

import httpx
import openai
from prometheus_client.parser import text_string_to_metric_families

MODEL = "gpt-4o-audio-preview"
USER = {"role": "user", "content": "hi"}
SOUND = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}


def client_of(url):
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=20)


def ask(url, **fields):
    with client_of(url) as client:
        answer = client.chat.completions.create(**{"model": MODEL, "messages": [USER], **fields})
        return list(answer) if fields.get("stream") else answer


def wait_until(condition, timeout_s):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "not within the time"
        time.sleep(0.02)


def leave_early(url, path, is_stream, **body):
    """Asks a server of one slot, leaves after half a second, and waits until the stream is cancelled."""

    def ask_and_leave():
        with (
            contextlib.suppress(httpx.ReadTimeout),
            httpx.stream("POST", f"{url}{path}", timeout=0.5, **body) as response,
        ):
            next(response.iter_raw())

    leaving = threading.Thread(target=ask_and_leave)
    leaving.start()
    if not is_stream:
        wait_until(lambda: metrics_of(url)["slots_busy"] == 1, 2.0)
    leaving.join()
    wait_until(lambda: metrics_of(url)["streams_total cancelled"] == 1, 2.0)


@contextlib.contextmanager
def asked(url, path="/v1/chat/completions", key="none", **body):
    """A request on its way, whose client leaves at the end of the block without having read all of the answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        yield
    finally:
        connection.close()


def metrics_of(url):
    """Values by name, with the labels' values behind it."""
    response = httpx.get(f"{url}/metrics", timeout=5)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        " ".join([sample.name.removeprefix("omni_audio_"), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
