"""Rate limits of a real server's keys, by the official client."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from asking import MODEL, USER, ask, metrics_of, wait_until
from sound_files import encoded

from omni_audio.serving.settings import RateLimitConfig


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    path.write_text("mine\nyours\n")
    return path


@contextlib.contextmanager
def client_of(url, key="mine"):
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=20) as client:
        yield client


def raw(client, **fields):
    fields = {"model": MODEL, "messages": [USER], "max_completion_tokens": 4, "seed": 1, **fields}
    return client.chat.completions.with_raw_response.create(**fields)


def test_requests_of_a_key(live_server, keys):
    limits = RateLimitConfig(requests_per_minute=3)
    with live_server(api_keys_file=keys, rate_limits=limits) as url, client_of(url) as client:
        headers = raw(client).headers
        assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == (
            "3",
            "2",
        )
        assert 0 < float(headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 20
        assert "x-ratelimit-limit-tokens" not in headers
        streamed = raw(client, stream=True)
        assert streamed.headers["x-ratelimit-remaining-requests"] == "1"
        list(streamed.parse())
        client.audio.transcriptions.create(model=MODEL, file=("a.wav", encoded("WAV")))
        with pytest.raises(openai.RateLimitError) as caught:
            client.audio.speech.create(model=MODEL, input="hello", voice="alloy")
        error = caught.value
        assert (error.status_code, error.code, error.type) == (429, "rate_limit_exceeded", "requests")
        assert 1 <= int(error.response.headers["retry-after"]) <= 20
        assert error.response.headers["x-ratelimit-remaining-requests"] == "0"
        assert client.models.list().data
        with client_of(url, "yours") as other:
            assert raw(other).headers["x-ratelimit-remaining-requests"] == "2"
        assert metrics_of(url)["requests_total /v1/audio/speech 429"] == 1


def test_tokens_of_a_key(live_server, keys):
    """The bucket fills up with the time that passes: what is to be waited is less by that, and not more."""
    limits = RateLimitConfig(tokens_per_minute=20)
    with live_server(api_keys_file=keys, rate_limits=limits) as url, client_of(url) as client:
        start_s = time.monotonic()
        first = raw(client, max_completion_tokens=60, n=2)
        usage = first.parse().usage
        assert usage.total_tokens > 20
        with pytest.raises(openai.RateLimitError) as caught:
            raw(client)
        took_s = time.monotonic() - start_s
        assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "tokens")
        wait_s = int(caught.value.response.headers["retry-after"])
        owed_s = (usage.total_tokens - 20 + 1) * 3
        assert owed_s - took_s <= wait_s <= owed_s + 1
        with client_of(url, "yours") as other:
            assert raw(other).parse().choices


def test_a_full_queue_is_still_a_503(scripted_server, engine_of):
    go_on = threading.Event()
    script = [("until", go_on), ("end", "stop")]
    limits = RateLimitConfig(requests_per_minute=2)
    with scripted_server(script, step_s=0.01, num_slots=1, queue_limit=0, rate_limits=limits) as url:
        running = threading.Thread(target=ask, args=(url,))
        running.start()
        try:
            wait_until(lambda: engine_of(url)["active"] == 1, 5.0)
            for error, status, code in (
                (openai.InternalServerError, 503, "overloaded"),
                (openai.RateLimitError, 429, "rate_limit_exceeded"),
            ):
                with pytest.raises(error) as caught:
                    ask(url)
                assert (caught.value.status_code, caught.value.code) == (status, code)
                assert int(caught.value.response.headers["retry-after"]) >= 1
        finally:
            go_on.set()
            running.join()


def test_requests_of_a_key_at_once(scripted_server, engine_of, keys):
    go_on = threading.Event()
    limits = RateLimitConfig(requests_at_once=1)
    script = [("until", go_on), ("end", "stop")]
    with (
        scripted_server(script, step_s=0.01, api_keys_file=keys, rate_limits=limits) as url,
        client_of(url) as client,
        client_of(url, "yours") as other,
        ThreadPoolExecutor(2) as pool,
    ):
        speech = {"model": MODEL, "input": "hello", "voice": "alloy"}
        try:
            first = pool.submit(raw, client, max_completion_tokens=None)
            wait_until(lambda: engine_of(url)["active"] == 1, 10.0)
            for ask_again in (lambda: raw(client), lambda: client.audio.speech.create(**speech)):
                with pytest.raises(openai.RateLimitError) as caught:
                    ask_again()
                assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "requests")
                assert caught.value.response.headers["retry-after"] == "1"
            second = pool.submit(raw, other, max_completion_tokens=None)
            wait_until(lambda: engine_of(url)["active"] == 2, 10.0)
        finally:
            go_on.set()
        assert [each.result(20).status_code for each in (first, second)] == [200, 200]
        assert raw(client).status_code == 200


def test_without_limits_there_are_no_headers(server_url):
    with client_of(server_url) as client:
        assert not [name for name in raw(client).headers if name.startswith("x-ratelimit")]
