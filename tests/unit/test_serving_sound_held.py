"""The sound of a request is let go of once it stands in the prompt."""

import base64

import pytest
from fastapi.testclient import TestClient
from sound_files import encoded

from omni_audio.model.assistant import Assistant
from omni_audio.serving.server import build_app
from omni_audio.serving.service import ChatService
from omni_audio.serving.settings import ServerConfig

CLIP = {"data": base64.b64encode(encoded("WAV")).decode(), "format": "wav"}
CHAT = {
    "model": "omni-audio",
    "messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": CLIP}]}],
    "max_tokens": 2,
}


@pytest.fixture
def client(tiny_build):
    app = build_app(ServerConfig(build=tiny_build), Assistant.load(tiny_build))
    with TestClient(app, base_url="http://127.0.0.1") as made:
        yield made


@pytest.fixture
def plans(monkeypatch):
    """Plans of the requests that were queued."""
    found, submit = [], ChatService.submit

    def noted(service, prompt, plan, *given):
        assert len(plan.turns) == 1
        found.append(plan)
        return submit(service, prompt, plan, *given)

    monkeypatch.setattr(ChatService, "submit", noted)
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_holds_no_sound_while_it_waits_and_is_answered(client, plans, stream):
    assert client.post("/v1/chat/completions", json={**CHAT, "stream": stream}).status_code == 200
    assert [plan.turns for plan in plans] == [[]]


@pytest.mark.parametrize(("response_format", "num_turns"), [("json", 0), ("text", 0), ("srt", 1)])
def test_a_transcription_holds_what_its_times_need(client, plans, response_format, num_turns):
    form = {"model": "omni-audio", "response_format": response_format}
    answer = client.post("/v1/audio/transcriptions", data=form, files={"file": ("a.wav", encoded("WAV"))})
    assert answer.status_code == 200
    assert [len(plan.turns) for plan in plans] == [num_turns]
