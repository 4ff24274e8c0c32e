"""The official npm client against a real server: text and speech streamed, tools, transcripts, errors.

It needs node and `npm install openai`, in this folder or one above it, or in a folder that NODE_PATH names.
"""

import base64
import json
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "node" / "openai_client.cjs"
CLIP = Path(__file__).parents[1] / "data" / "allison-vm-msgsaved.flac"


@pytest.fixture(scope="module")
def found(openai_for_node, server_url):
    node, _ = openai_for_node
    done = subprocess.run(
        [node, str(SCRIPT), server_url, str(CLIP)], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_streamed_text_is_the_plain_text(found):
    text = found["text"]
    assert text["streamed"] == text["plain"] != ""
    assert text["usage"] == text["plain_usage"]
    assert text["usage"]["completion_tokens"] > 0


def test_streamed_speech_is_the_plain_speech(found):
    plain, streamed = found["speech"]["plain"], found["speech"]["streamed"]
    assert streamed["transcript"] == plain["transcript"]
    assert base64.b64decode(streamed["data"], validate=True) == base64.b64decode(plain["data"])
    assert len(plain["data"]) > 1000
    assert streamed["id"].startswith("audio_")
    assert found["speech"]["next"] in ("stop", "length"), "the answer is taken as an earlier turn"


def test_tools_are_called_and_results_taken(found):
    plain, streamed = found["calls"]["plain"], found["calls"]["streamed"]
    for choice in (plain, streamed):
        assert choice["finish_reason"] == "tool_calls"
        (call,) = choice["message"]["tool_calls"]
        assert call["function"]["name"] == "switch"
        assert isinstance(json.loads(call["function"]["arguments"])["on"], bool)
    arguments = [choice["message"]["tool_calls"][0]["function"]["arguments"] for choice in (plain, streamed)]
    assert arguments[0] == arguments[1]
    assert isinstance(found["calls"]["next"], str)


def test_transcripts_have_times(found):
    verbose, done, srt = (found["transcript"][name] for name in ("verbose", "done", "srt"))
    assert verbose["text"] == done
    assert verbose["duration"] > 0
    assert [set(word) for word in verbose["words"]] == [{"word", "start", "end"}] * len(verbose["words"])
    assert srt.count(" --> ") == len(verbose["segments"]) > 0


def test_refusals_are_errors_of_their_class(found):
    assert found["refusal"] == {"is_not_found": True, "code": "model_not_found", "param": "model"}
