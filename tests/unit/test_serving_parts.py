import base64
import contextlib
import io
import json
import time
import wave

import numpy as np
import pytest

from omni_audio.model.tool_text import tool_call_text
from omni_audio.serving.answer_store import AnswerStore
from omni_audio.serving.audio_codec import (
    OUTPUT_RATE_HZ,
    Base64Chunker,
    OutputFormat,
    Pcm16Stream,
    whole_file,
)
from omni_audio.serving.auth import API_KEYS_ENV, KeyRing
from omni_audio.serving.errors import ApiError
from omni_audio.serving.stop import StopFilter
from omni_audio.serving.tool_calls import CallDelta, CallStart, GrowingCall, call_text


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_stop_sequence_is_found_across_pieces_and_kept_in(size):
    text = "one, two. two STOP three"
    stop = StopFilter(["ST", "STOP", "nowhere"])
    out = (
        "".join(stop.feed(text[start : start + size]) for start in range(0, len(text), size)) + stop.finish()
    )
    assert out == "one, two. two "
    assert stop.is_stopped


def test_held_text_comes_out_at_the_end():
    stop = StopFilter(["END!"])
    assert stop.feed("the EN") == "the "
    assert stop.feed("D") == ""
    assert stop.finish() == "END"
    assert not stop.is_stopped


def test_joined_base64_chunks_are_one_base64_text():
    data = bytes(range(256)) * 5 + b"tail"
    chunker = Base64Chunker()
    chunks = [chunker.feed(data[start : start + 97]) for start in range(0, len(data), 97)]
    assert all(len(base64.b64decode(chunk)) % 6 == 0 for chunk in chunks)
    assert base64.b64decode("".join(chunks) + chunker.finish(), validate=True) == data


@pytest.mark.parametrize("size", [1280, 333, 16_000])
def test_pcm16_does_not_depend_on_chunking(size):
    pcm_S = np.sin(np.arange(16_000) * 2 * np.pi * 440 / 16_000).astype(np.float32)
    whole = Pcm16Stream()
    expected = whole.feed(pcm_S) + whole.finish()
    stream = Pcm16Stream()
    parts = [stream.feed(pcm_S[start : start + size]) for start in range(0, len(pcm_S), size)]
    assert b"".join(parts) + stream.finish() == expected
    assert len(expected) == 2 * OUTPUT_RATE_HZ


def test_wav_is_readable():
    with wave.open(io.BytesIO(whole_file(b"\x01\x02" * 480, OutputFormat.WAV))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (OUTPUT_RATE_HZ, 1, 2)
        assert file.readframes(480) == b"\x01\x02" * 480


def call_of(raw, size=1, is_cut=False):
    """Name and arguments of a call that comes in bits; its pieces are checked."""
    call = GrowingCall({"f"})
    made = [piece for start in range(0, len(raw), size) for piece in call.feed(raw[start : start + size])]
    made += call.cut() if is_cut else call.finish()
    if not made:
        return None
    opening, *deltas = made
    assert isinstance(opening, CallStart)
    assert opening.id.startswith("call_")
    assert all(isinstance(delta, CallDelta) and delta.arguments for delta in deltas)
    return opening.name, "".join(delta.arguments for delta in deltas)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_tool_call_is_read_strictly(size):
    raw = '{"name":"f","arguments":{"b":1,"a":[true,"}"]}}'
    assert call_of(raw, size) == ("f", '{"b":1,"a":[true,"}"]}')
    assert call_of(raw, size, is_cut=True) == ("f", '{"b":1,"a":[true,"}"]}')


def test_arguments_come_as_soon_as_they_are_known():
    call = GrowingCall({"f"})
    assert call.feed('{"name":"f","argu') == []
    assert [type(piece) for piece in call.feed('ments":')] == [CallStart]
    assert call.feed('{"a') == [CallDelta('{"')]
    assert call.feed("") == []
    assert call.feed('":1}') == [CallDelta('a":1')]
    assert call.feed("}") == [CallDelta("}")]
    assert call.finish() == []


def test_what_a_limit_cuts_off_stands_as_far_as_it_came():
    whole = '{"name":"f","arguments":{"a":"}"}}'
    start = whole.index('{"a"')
    for end in range(len(whole) + 1):
        wanted = None if end < start else ("f", whole[start : min(end, len(whole) - 1)])
        assert call_of(whole[:end], is_cut=True) == wanted


def test_numbers_of_a_call_stay_as_they_were_written():
    arguments = (
        '{"big":123456789012345678901234567890,"huge":1e999,"long":0.12345678901234567890,"s":"\\ud800"}'
    )
    raw = f'{{"name":"f","arguments":{arguments}}}'
    assert call_of(raw) == ("f", arguments)
    assert call_text("f", arguments) == raw


def test_calls_that_come_back_stand_as_in_training():
    arguments = {"a": [1, -2.5, {"b c": 'é " \\ \n'}], "d": True, "e": None}
    for sent in (json.dumps(arguments), json.dumps(arguments, ensure_ascii=False, indent=2)):
        assert call_text("f", sent) == tool_call_text("f", arguments)
    for wrong in ("", "[]", "5", "{", '{"a":NaN}', "{} {}", '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"):
        with pytest.raises(ValueError, match="JSON text of an object"):
            call_text("f", wrong)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "f(1)",
        "[]",
        '{"name":"f"}',
        '{"name":"g","arguments":{}}',
        '{"name":["f"],"arguments":{}}',
        '{"name":"f","arguments":"{}"}',
        '{"name":"f","arguments":{}} and more',
        '{"name":"f","arguments":{"x":NaN}}',
        '{"name":"f","arguments":{},"more":1}',
        '{"arguments":{},"name":"f"}',
        '{"name":"\\u0066","arguments":{}}',
        '{"name":"f","arguments":' + "[" * 100_000,
    ],
)
def test_invalid_tool_call_is_an_error(raw):
    with pytest.raises(ApiError) as caught:
        call_of(raw, size=10)
    assert (caught.value.status, caught.value.code) == (500, "invalid_tool_call")


def test_answers_are_bound_to_their_key_and_bounded():
    store = AnswerStore(limit_answers=2, limit_answers_per_key=2, lifetime_s=60)
    ids = [store.new_id() for _ in range(3)]
    for answer_id in ids:
        store.put(answer_id, f"words of {answer_id}", "me")
    assert store.transcript(ids[2], "me", param="p") == f"words of {ids[2]}"
    messages = set()
    for answer_id, owner in [(ids[0], "me"), (ids[2], "you"), ("audio_unknown", "me")]:
        with pytest.raises(ApiError) as caught:
            store.transcript(answer_id, owner, param="p")
        assert (caught.value.status, caught.value.param) == (404, "p")
        messages.add(caught.value.message)
    assert len(messages) == 1


def known_answers(store, owner, ids):
    known = []
    for answer_id in ids:
        with contextlib.suppress(ApiError):
            known.append(store.transcript(answer_id, owner, param="p"))
    return known


def test_one_key_does_not_push_out_the_answers_of_another():
    store = AnswerStore(limit_answers=4, limit_answers_per_key=3, lifetime_s=60)
    store.put("of quiet", "first", "quiet")
    for number in range(10):
        store.put(f"of loud {number}", str(number), "loud")
    loud = [f"of loud {number}" for number in range(10)]
    assert known_answers(store, "quiet", ["of quiet"]) == ["first"]
    assert known_answers(store, "loud", loud) == ["7", "8", "9"]
    for number in range(2):
        store.put(f"of third {number}", f"third {number}", "third")
    assert known_answers(store, "loud", loud) == ["9"]
    assert known_answers(store, "quiet", ["of quiet"]) == ["first"]
    assert known_answers(store, "third", ["of third 0", "of third 1"]) == ["third 0", "third 1"]


def test_expired_answers_take_no_room(monkeypatch):
    store = AnswerStore(limit_answers=2, limit_answers_per_key=2, lifetime_s=60)
    store.put("old", "old", "me")
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 61)
    store.put("new", "new", "you")
    assert list(store._answers) == ["new"]
    assert list(store._ids) == ["you"]


def test_expired_answer_is_unknown():
    store = AnswerStore(limit_answers=2, limit_answers_per_key=2, lifetime_s=0)
    answer_id = store.new_id()
    store.put(answer_id, "words", "")
    with pytest.raises(ApiError):
        store.transcript(answer_id, "", param="p")


def test_keys_of_file_and_environment(tmp_path, monkeypatch):
    path = tmp_path / "keys"
    path.write_text("# ours\nalpha\n\n  beta  \n")
    monkeypatch.setenv(API_KEYS_ENV, "gamma, delta")
    keys = KeyRing.load(path)
    assert len(keys) == 4
    owners = {keys.owner(f"Bearer {key}") for key in ("alpha", "beta", "gamma", "delta")}
    assert len(owners) == 4
    assert not any(key in owner for owner in owners for key in ("alpha", "beta", "gamma", "delta"))
    for header in (None, "", "alpha", "Basic alpha", "Bearer", "Bearer alph", "Bearer # ours"):
        with pytest.raises(ApiError) as caught:
            keys.owner(header)
        assert caught.value.status == 401


def test_empty_key_file_does_not_open_the_server(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# none yet\n")
    with pytest.raises(ValueError, match="api_keys_file"):
        KeyRing.load(path)


@pytest.mark.parametrize("value", ["", " ", " , ", ",,"])
def test_a_variable_without_a_key_does_not_open_the_server(monkeypatch, value):
    monkeypatch.setenv(API_KEYS_ENV, value)
    with pytest.raises(ValueError, match=API_KEYS_ENV):
        KeyRing.load(None)


@pytest.mark.parametrize("key", ["schlüssel", "a\x00b", "key\u2028"])
def test_keys_that_no_header_carries_are_refused_and_not_shown(key):
    with pytest.raises(ValueError, match="API key 2 of 2") as caught:
        KeyRing(["fine", key + "hidden"])
    assert "hidden" not in str(caught.value)


def test_without_keys_everybody_comes_in(monkeypatch):
    monkeypatch.delenv(API_KEYS_ENV, raising=False)
    assert KeyRing.load(None).owner(None) == ""
