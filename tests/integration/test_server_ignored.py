"""What docs/api-status.md calls ignored is taken and changes nothing."""

import re
from pathlib import Path

import httpx
import pytest
from asking import USER
from sound_files import encoded

DOCS = Path(__file__).parents[2] / "docs" / "api-status.md"
TOOL = {"type": "function", "function": {"name": "go", "parameters": {"type": "object", "properties": {}}}}
CHAT = {"model": "omni-audio", "messages": [USER], "seed": 3, "max_completion_tokens": 12}
IN_CHAT = {
    "store": True,
    "metadata": {"a": "b"},
    "user": "me",
    "safety_identifier": "me",
    "service_tier": "flex",
    "reasoning_effort": "high",
    "verbosity": "low",
    "prediction": {"type": "content", "content": "x"},
    "web_search_options": {},
    "moderation": {"a": 1},
    "prompt_cache_key": "x",
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {"ttl": "30m"},
}
IN_TRANSCRIPTIONS = {"language": "fr", "prompt": "kitchen", "chunking_strategy": "auto", "seed": "7"}


def listed():
    """The names in the first column of the table of what is ignored."""
    text = DOCS.read_text(encoding="utf-8")
    rows = text.split("### What is ignored")[1].split("\n## ")[0].splitlines()
    return [row.split("|")[1].strip() for row in rows if row.startswith("| ") and "| ---" not in row][1:]


def test_the_table_lists_what_is_tested_here():
    names = set(re.findall(r"`([^`]+)`", " ".join(row for row in listed() if ": " not in row)))
    elsewhere = {
        "stream_options.include_obfuscation",
        "tools[].function.description",
        "functions[].description",
    }
    assert names == set(IN_CHAT) | elsewhere | {"logprobs"}
    of_sound = [row for row in listed() if ": " in row]
    assert {row.split("`")[1] for row in of_sound} == {*IN_TRANSCRIPTIONS, "instructions"}


def said(url, path="/v1/chat/completions", **body):
    response = httpx.post(f"{url}{path}", json=body, timeout=60)
    assert response.status_code == 200, response.text
    return response


@pytest.mark.parametrize("name", [*IN_CHAT, "all"])
def test_ignored_fields_of_chat_change_nothing(server_url, name):
    plain = said(server_url, **CHAT).json()["choices"]
    given = IN_CHAT if name == "all" else {name: IN_CHAT[name]}
    assert said(server_url, **CHAT, **given).json()["choices"] == plain


def called(url, **fields):
    """Calls and counts of an answer with tools; the ids of calls are drawn anew each time."""
    answer = said(url, **{**CHAT, "max_completion_tokens": 60, **fields}).json()
    (choice,) = answer["choices"]
    message = choice["message"]
    calls = [call["function"] for call in message.get("tool_calls", [])] or [message["function_call"]]
    return calls, choice["finish_reason"], answer["usage"]


def test_descriptions_and_obfuscation_change_nothing(server_url):
    """The tools are offered and one is called, so that what the model is given would show."""
    described = {**TOOL, "function": {**TOOL["function"], "description": "goes " * 50}}
    plain, again, other = (
        called(server_url, tools=[tool], tool_choice="required")
        for tool in (TOOL, described, {**TOOL, "function": {**TOOL["function"], "name": "stop"}})
    )
    assert plain == again
    assert [call["name"] for call in plain[0]] == ["go"]
    assert other[2]["prompt_tokens"] != plain[2]["prompt_tokens"], "the name reaches the model"
    plain, again = (
        called(server_url, functions=[tool["function"]], function_call={"name": "go"})
        for tool in (TOOL, described)
    )
    assert plain == again
    assert [call["name"] for call in plain[0]] == ["go"]
    sizes = [
        len(said(server_url, **CHAT, stream=True, stream_options={"include_obfuscation": is_wanted}).content)
        for is_wanted in (False, True)
    ]
    assert sizes[0] == sizes[1]


def test_ignored_fields_of_speech_and_transcriptions_change_nothing(server_url):
    body = {"model": "omni-audio", "input": "ok", "voice": "default", "response_format": "pcm"}
    plain, directed = (
        said(server_url, "/v1/audio/speech", **body, **more).content
        for more in ({}, {"instructions": "whisper"})
    )
    assert plain == directed
    texts = [
        httpx.post(
            f"{server_url}/v1/audio/transcriptions",
            files={"file": ("a.wav", encoded("WAV"))},
            data={"model": "omni-audio", **more},
            timeout=60,
        ).json()["text"]
        for more in ({}, IN_TRANSCRIPTIONS)
    ]
    assert texts[0] == texts[1] != ""
