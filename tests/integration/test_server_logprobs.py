"""Probabilities of the tokens of an answer, by the official client against a real server of a tiny build."""

import math

import pytest
from asking import SOUND, ask

FIELDS = {"seed": 5, "max_completion_tokens": 24, "logprobs": True}


def text_of(content):
    return b"".join(bytes(entry.bytes) for entry in content).decode("utf-8", "replace")


def entries_of(content):
    return [(bytes(entry.bytes), entry.logprob) for entry in content]


def test_text_plain_and_streamed(server_url):
    plain = ask(server_url, top_logprobs=4, **FIELDS).choices[0]
    content = plain.logprobs.content
    assert text_of(content) == plain.message.content
    for entry in content:
        assert len(entry.top_logprobs) == 4
        values = [other.logprob for other in entry.top_logprobs]
        assert values == sorted(values, reverse=True)
        assert 0 < sum(map(math.exp, values)) < 1
        assert entry.logprob <= values[0] + 1e-6
        assert all(
            bytes(other.bytes).decode("utf-8", "backslashreplace") == other.token
            for other in entry.top_logprobs
        )

    chunks = ask(server_url, top_logprobs=4, stream=True, **FIELDS)
    streamed = []
    for chunk in chunks:
        choice = chunk.choices[0]
        assert (choice.logprobs is None) == (not choice.delta.content)
        streamed += choice.logprobs.content if choice.logprobs is not None else []
    assert [token for token, _ in entries_of(streamed)] == [token for token, _ in entries_of(content)]
    assert [value for _, value in entries_of(streamed)] == pytest.approx(
        [value for _, value in entries_of(content)], abs=1e-4
    )


def test_a_greedy_answer_is_the_most_probable_text(server_url):
    choice = ask(server_url, **{**FIELDS, "temperature": 0, "top_logprobs": 1}).choices[0]
    assert len(choice.logprobs.content) > 0
    for entry in choice.logprobs.content:
        assert (entry.top_logprobs[0].token, entry.top_logprobs[0].logprob) == (entry.token, entry.logprob)


def test_temperature_changes_the_draw_and_not_the_probability(server_url):
    first = [
        ask(server_url, **{**FIELDS, "temperature": temperature, "top_logprobs": 20})
        .choices[0]
        .logprobs.content[0]
        for temperature in (0, 2)
    ]
    assert entries_of(first[0].top_logprobs) == entries_of(first[1].top_logprobs)


@pytest.mark.parametrize("is_stream", [False, True])
def test_transcript_of_a_spoken_answer(server_url, is_stream):
    answer = ask(server_url, stream=is_stream, **FIELDS, **SOUND)
    if is_stream:
        deltas = [chunk.choices[0] for chunk in answer]
        sounds = [choice.delta.audio for choice in deltas if getattr(choice.delta, "audio", None)]
        transcript = "".join(sound.to_dict().get("transcript", "") for sound in sounds)
        content = [entry for choice in deltas if choice.logprobs for entry in choice.logprobs.content]
    else:
        transcript = answer.choices[0].message.audio.transcript
        content = answer.choices[0].logprobs.content
    assert content
    assert text_of(content) == transcript
    assert all(entry.top_logprobs == [] for entry in content)


def test_without_logprobs_there_are_none(server_url):
    assert ask(server_url, seed=5, max_completion_tokens=4).choices[0].logprobs is None


def test_a_call_has_none(server_url):
    tool = {"type": "function", "function": {"name": "go"}}
    fields = {"tools": [tool], "tool_choice": "required", "seed": 2, "logprobs": True}
    choice = ask(server_url, **fields).choices[0]
    assert choice.message.tool_calls
    assert choice.logprobs.content == []
