"""Clips in all the ways that a request may carry them; no server."""

import base64

import numpy as np
import pytest
from plans import DecoderHere, plan_of
from sound_files import encoded, muxed, tone

from omni_audio.serving.clips import Clips
from omni_audio.serving.errors import ApiError
from omni_audio.serving.settings import RequestLimits

WAV = encoded("WAV")
FLAC = encoded("FLAC")
PCM16 = (tone(24_000, 24_000) * 32767).astype("<i2").tobytes()
PCMU = muxed("mulaw", "pcm_mulaw", tone(8_000, 8_000), 8_000)


def text(data):
    return base64.b64encode(data).decode()


def plan(parts=None, **message):
    return plan_of(parts, messages=[{"role": "user", **message}])


def sound_of(made):
    (turn,) = made.turns
    assert turn.text is None
    return turn.pcm_S.numpy()


def input_audio(data, sound_format):
    return [{"type": "input_audio", "input_audio": {"data": data, "format": sound_format}}]


WAYS = [
    {"content": input_audio(text(WAV), "wav")},
    {"content": input_audio("data:audio/wav;base64," + text(WAV), "wav")},
    {"content": "data:audio/x-wav;base64," + text(WAV)},
    {"content": "data:audio/FLAC;rate=16000;base64," + text(FLAC)},
    {"content": "DATA:Audio/wav;Base64," + text(WAV)},
    {"content": input_audio("Data:audio/wav;base64," + text(WAV), "wav")},
    {"content": "audio", "audio": text(WAV)},
    {"content": "audio", "audio": text(FLAC)},
    {"content": "audio", "audio": "data:audio/wav;base64," + text(WAV)},
    {"content": "audio", "audio": "cid:a clip", "parts": {"a clip": WAV}},
    {"content": input_audio("cid:a", "flac"), "parts": {"a": FLAC}},
]


@pytest.mark.parametrize("way", WAYS)
def test_all_ways_give_the_same_sound(way):
    np.testing.assert_allclose(sound_of(plan(**way)), tone(), atol=1e-4)


@pytest.mark.parametrize(("data", "sound_format"), [(PCM16, "pcm16"), (PCMU, "pcmu")])
def test_samples_without_a_header(data, sound_format):
    heard = sound_of(plan(content=input_audio(text(data), sound_format)))
    assert len(heard) == pytest.approx(16_000, abs=2)
    error = heard[1000:15_000] - tone()[1000:15_000]
    assert np.sqrt((error**2).mean()) < 0.02


AUDIO = "messages[0].audio"
CONTENT = "messages[0].content"
DATA = f"{CONTENT}[0].input_audio.data"


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        ({"content": input_audio("%%%", "wav")}, DATA, "invalid_base64"),
        ({"content": input_audio("AAA", "wav")}, DATA, "invalid_base64"),
        ({"content": input_audio(text(b"RIFF" + b"x" * 99), "wav")}, DATA, "invalid_audio"),
        ({"content": input_audio(text(WAV), "flac")}, DATA, "invalid_audio"),
        ({"content": input_audio(text(WAV), "pcm16")}, DATA, "invalid_audio"),
        ({"content": input_audio(text(PCM16[:-1]), "pcm16")}, DATA, "invalid_audio"),
        ({"content": input_audio("data:audio/wav;base64," + text(WAV), "flac")}, DATA, "invalid_value"),
        ({"content": input_audio("https://example.com/a.wav", "wav")}, DATA, "invalid_base64"),
        ({"content": "data:audio/wav," + text(WAV)}, CONTENT, "invalid_base64"),
        ({"content": "data:audio/wav;base64"}, CONTENT, "invalid_audio"),
        ({"content": "data:audio/midi;base64," + text(WAV)}, CONTENT, "unsupported_value"),
        ({"content": "data:audio/mpeg;base64," + text(WAV)}, CONTENT, "invalid_audio"),
        ({"content": "hi", "audio": text(WAV)}, CONTENT, "invalid_value"),
        ({"content": "audio", "audio": "file:///etc/hostname"}, AUDIO, "invalid_base64"),
        ({"content": "audio", "audio": ""}, AUDIO, "invalid_audio"),
        ({"content": "audio", "audio": "cid:b", "parts": {"a": WAV}}, AUDIO, "invalid_value"),
        ({"content": "audio", "audio": "cid:a"}, AUDIO, "invalid_value"),
        ({"content": "data:audio/wav;base64,cid:a", "parts": {"a": WAV}}, CONTENT, "invalid_base64"),
        ({"content": "hi", "parts": {"a": WAV}}, "a", "invalid_value"),
    ],
)
def test_what_is_no_clip_is_a_400(message, param, code):
    with pytest.raises(ApiError) as caught:
        plan(**message)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


@pytest.mark.parametrize("second", [("wav", WAV), ("pcm16", PCM16), ("pcmu", PCMU)])
def test_the_limit_is_for_all_clips_together(second):
    sound_format, data = second
    for max_audio_s, message in ((1.5, "duration"), (1.0, "use up")):
        clips = Clips({}, RequestLimits(max_input_audio_s=max_audio_s), DecoderHere())
        clips.decode(text(WAV), "wav", param="one")
        with pytest.raises(ApiError, match=message) as caught:
            clips.decode(text(data), sound_format, param="two")
        assert (caught.value.status, caught.value.param) == (400, "two")


def test_text_that_mentions_a_uri_stays_text():
    for words in ("a data:audio/wav;base64,AAAA", "audio", "cid:a"):
        assert plan(content=words).turns[0].text == words


VOICE = {"voice": "alloy", "format": "wav"}


@pytest.mark.parametrize(
    ("fields", "speed"),
    [
        ({"mode": "audio", "voice": {"speed": 2.0}}, 2.0),
        ({"mode": "audio", "voice": {"id": "alloy", "speed": 0.5}, "speed": 0.5}, 0.5),
        ({"mode": "audio", "voice": "alloy"}, 1.0),
        ({"modalities": ["audio"], "audio": VOICE, "voice": {"speed": 4}}, 4.0),
    ],
)
def test_voice_beside_audio(fields, speed):
    assert plan_of(**fields).generation.speed == speed


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"voice": {"speed": 2.0}}, "voice"),
        ({"mode": "audio", "voice": "other"}, "audio.voice"),
        ({"mode": "audio", "audio": VOICE, "voice": "default"}, "voice"),
        ({"mode": "audio", "voice": {"speed": 2.0}, "speed": 1.0}, "voice.speed"),
        ({"mode": "audio", "voice": {"speed": 5}}, "voice.speed"),
    ],
)
def test_voice_that_does_not_fit(fields, param):
    with pytest.raises(ApiError) as caught:
        plan_of(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)
