"""What an answer still needs after the network is done with it takes a place, too."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from sound_files import encoded

from omni_audio.model.assistant import Assistant
from omni_audio.serving import transcription
from omni_audio.serving.server import build_app
from omni_audio.serving.settings import RateLimitConfig, ServerConfig

FORM = {"model": "omni-audio", "response_format": "srt"}
TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def assistant(tiny_build):
    return Assistant.load(tiny_build)


@pytest.fixture
def slow_times(monkeypatch):
    """Lets the laying of words on their sound wait: begun, may go on."""
    begun, may_go_on = threading.Event(), threading.Event()
    with_times = transcription.with_times

    def slow(*given):
        begun.set()
        assert may_go_on.wait(TIMEOUT_S)
        return with_times(*given)

    monkeypatch.setattr(transcription, "with_times", slow)
    yield begun, may_go_on
    may_go_on.set()


def transcribed(client):
    return client.post("/v1/audio/transcriptions", data=FORM, files={"file": ("a.wav", encoded("WAV"))})


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"num_slots": 1, "queue_limit": 0}, 503, "overloaded"),
        ({"rate_limits": RateLimitConfig(requests_at_once=1)}, 429, "rate_limit_exceeded"),
    ],
)
def test_words_that_are_being_timed_take_a_place(assistant, tiny_build, slow_times, options, status, code):
    begun, may_go_on = slow_times
    app = build_app(ServerConfig(build=tiny_build, **options), assistant)
    with TestClient(app, base_url="http://127.0.0.1") as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(transcribed, client)
        assert begun.wait(TIMEOUT_S)
        assert app.state.service.engine.num_requests() == 0
        refusal = transcribed(client)
        may_go_on.set()
        assert first.result(TIMEOUT_S).status_code == 200
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (status, code)
        assert int(refusal.headers["retry-after"]) >= 1
        assert transcribed(client).status_code == 200
