"""Spoken answers in every format, plain and streamed, through the official client."""

import base64
import threading
import time

import numpy as np
import openai
import pytest
from asking import client_of
from sound_files import decoded

from omni_audio.audio.units import FRAME_SAMPLES, SAMPLE_RATE_HZ
from omni_audio.serving import audio_codec

FORMATS = ["wav", "pcm16", "mp3", "flac", "opus", "aac", "pcmu"]
ENCODED = FORMATS[2:]
QUESTION = {
    "model": "gpt-4o-audio-preview",
    "messages": [{"role": "user", "content": "Please set a timer for 5 minutes."}],
    "modalities": ["text", "audio"],
}
FREE_TIMEOUT_S = 1.0


@pytest.fixture(scope="module")
def client(server_url):
    with client_of(server_url) as made:
        yield made


def ask(client, sound_format, speed=1.0, **fields):
    audio = {"voice": "alloy", "format": sound_format, "speed": speed}
    return client.chat.completions.create(
        **{**QUESTION, "audio": audio, "max_completion_tokens": 40, "seed": 3, **fields}
    )


def data_chunks(answer):
    """The base64 texts of a streamed answer, as they come."""
    for chunk in answer:
        audio = chunk.choices[0].delta.audio
        if audio is not None and audio.data:
            yield audio.data


def rms(pcm_S):
    return float(np.sqrt(np.mean(np.square(pcm_S))))


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("sound_format", FORMATS)
def test_an_answer_in_each_format_is_the_same_sound(client, sound_format, speed):
    answer = ask(client, sound_format, speed)
    message = answer.choices[0].message.audio
    heard_S = decoded(base64.b64decode(message.data, validate=True), sound_format)
    frames = answer.usage.completion_tokens_details.audio_tokens
    assert frames > 0
    spoken_s = frames * FRAME_SAMPLES / SAMPLE_RATE_HZ / speed
    assert len(heard_S) / SAMPLE_RATE_HZ == pytest.approx(spoken_s, rel=0.02, abs=0.15)
    reference = ask(client, "wav", speed).choices[0].message.audio
    reference_S = decoded(base64.b64decode(reference.data), "wav")
    assert message.transcript == reference.transcript
    assert rms(heard_S) == pytest.approx(rms(reference_S), rel=0.5)
    if sound_format in ("pcm16", "flac"):
        assert np.abs(heard_S - reference_S).max() < 1e-3


@pytest.mark.parametrize("speed", [1.0, 1.25])
@pytest.mark.parametrize("sound_format", ENCODED)
def test_streamed_chunks_joined_are_the_plain_answer(client, sound_format, speed):
    plain = ask(client, sound_format, speed).choices[0].message.audio.data
    pieces = list(data_chunks(ask(client, sound_format, speed, stream=True)))
    assert len(pieces) > 3
    assert all(len(base64.b64decode(piece)) % 3 == 0 for piece in pieces[:-1])
    assert "".join(pieces) == plain


@pytest.mark.parametrize("sound_format", FORMATS)
def test_times_of_words_come_with_every_format(client, sound_format):
    options = {"include_timestamps": True}
    chunks = list(ask(client, sound_format, stream=True, stream_options=options))
    deltas = [chunk.choices[0].delta.audio for chunk in chunks if chunk.choices[0].delta.audio]
    timed = [chunk.choices[0].x_audio for chunk in chunks if hasattr(chunk.choices[0], "x_audio")]
    words = [word for times in timed for word in times["words"]]
    assert (
        [word["word"] for word in words] == "".join(delta.transcript or "" for delta in deltas).split() != []
    )
    assert all(0 <= word["start_ms"] <= word["end_ms"] for word in words)
    plain = ask(client, sound_format).choices[0].message.audio.data
    joined = base64.b64decode("".join(delta.data or "" for delta in deltas))
    assert joined[44:] == base64.b64decode(plain)[44:], "the sound is the same"


@pytest.mark.parametrize("sound_format", ENCODED)
def test_sound_comes_while_the_answer_goes_on_and_a_client_that_leaves_frees_the_encoder(
    scripted_server, engine_of, monkeypatch, sound_format
):
    opened, closed = [], set()

    class Watched(audio_codec.SoundEncoder):
        def __init__(self, codec):
            super().__init__(codec)
            opened.append(id(self))

        def close(self):
            super().close()
            closed.add(id(self))

    monkeypatch.setattr(audio_codec, "SoundEncoder", Watched)
    script = [("text", "hi"), ("sound_until", threading.Event())]
    with scripted_server(script, step_s=0.005) as url, client_of(url) as client:
        answer = ask(client, sound_format, stream=True, max_completion_tokens=None)
        assert base64.b64decode(next(data_chunks(answer)))
        assert len(opened) == 1
        assert not closed
        answer.close()
        deadline_s = time.monotonic() + FREE_TIMEOUT_S
        while closed != set(opened) or engine_of(url)["active"]:
            assert time.monotonic() < deadline_s, "not within the time"
            time.sleep(0.02)


def test_a_spoken_answer_without_sound(scripted_server):
    with scripted_server([("text", "hi"), ("end", "length")]) as url, client_of(url) as client:
        assert ask(client, "opus").choices[0].message.audio.data == ""
        assert list(data_chunks(ask(client, "opus", stream=True))) == []


@pytest.mark.parametrize("is_stream", [False, True])
def test_an_encoder_that_fails_is_a_server_error(scripted_server, monkeypatch, is_stream):
    def fail(self, pcm16):
        raise OSError("no more bytes")

    monkeypatch.setattr(audio_codec.SoundEncoder, "feed", fail)
    with scripted_server([("sound", 3), ("end", "stop")]) as url, client_of(url) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            list(ask(client, "mp3", stream=is_stream))
        assert caught.value.code == "server_error"
        assert "bytes" not in caught.value.message
        assert client.models.list().data


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_format_without_its_encoder_is_a_400_that_lists_the_others(client, monkeypatch, is_stream):
    monkeypatch.setattr(audio_codec, "has_encoder", lambda encoder: encoder != "libopus")
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "opus", stream=is_stream)
    assert (caught.value.param, caught.value.code) == ("audio.format", "unsupported_value")
    assert "'mp3'" in caught.value.message
    assert ask(client, "mp3", max_completion_tokens=12).choices[0].message.audio.id
