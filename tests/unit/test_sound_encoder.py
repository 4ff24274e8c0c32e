"""Answers in every format: any cut of the sound gives the same bytes, they hold the sound, and they come early."""

import dataclasses
import gc
from pathlib import Path

import numpy as np
import pytest
from av import AudioCodecContext
from av.container import OutputContainer
from hypothesis import given, settings
from hypothesis import strategies as st
from sound_files import decoded, decoded_so_far, tone

from omni_audio.audio.encoder import CODECS, SoundEncoder, has_encoder
from omni_audio.audio.formats import AudioError
from omni_audio.audio.io import load_audio
from omni_audio.audio.units import FRAME_SAMPLES, SAMPLE_RATE_HZ
from omni_audio.serving.audio_codec import AnswerSound, OutputFormat, whole_file

CLIP = Path(__file__).parents[1] / "data" / "allison-vm-msgsaved.flac"
ENCODED = [OutputFormat(name) for name in CODECS]
PADDING_S = {"mp3": 0.15, "aac": 0.15, "opus": 0.03, "flac": 0.001, "pcmu": 0.001}
"""How much longer than the sound a file may be: what codecs put before and after it."""
LAG_S = 0.3
"""How far the bytes may be behind the sound."""


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """(S,) 16 kHz, a recorded sentence."""
    return load_audio(CLIP).numpy()


def encode(pcm_S: np.ndarray, output_format: OutputFormat, sizes: list[int] | None = None) -> list[bytes]:
    """The bytes after each chunk and at the end; the last of the sizes takes what is left of the sound."""
    sound = AnswerSound(output_format)
    parts, start = [], 0
    for size in sizes or []:
        parts.append(sound.feed(pcm_S[start : start + size]))
        start += size
    parts.append(sound.feed(pcm_S[start:]))
    parts.append(sound.finish())
    sound.close()
    return parts


def likeness(pcm_S: np.ndarray, other_S: np.ndarray) -> float:
    """Greatest normalised correlation of the sounds, -1..1, over shifts of up to a quarter second."""
    num = 1 << (len(pcm_S) + len(other_S)).bit_length()
    spectrum = np.fft.rfft(other_S, num) * np.conj(np.fft.rfft(pcm_S, num))
    shifts = np.fft.irfft(spectrum, num)[: SAMPLE_RATE_HZ // 4]
    return float(shifts.max() / (np.linalg.norm(pcm_S) * np.linalg.norm(other_S)))


@pytest.mark.parametrize("output_format", ENCODED)
@settings(max_examples=12, deadline=None)
@given(sizes=st.lists(st.sampled_from([0, 1, 7, 159, 333, 1280, 4001]), max_size=12))
def test_any_cut_gives_the_same_bytes(output_format, sizes):
    pcm_S = tone(9_999)
    assert b"".join(encode(pcm_S, output_format, sizes)) == b"".join(encode(pcm_S, output_format))


@pytest.mark.parametrize("output_format", list(OutputFormat))
def test_the_bytes_hold_the_sound(speech, output_format):
    sizes = [FRAME_SAMPLES] * (len(speech) // FRAME_SAMPLES)
    data = whole_file(b"".join(encode(speech, output_format, sizes)), output_format)
    heard_S = decoded(data, output_format.value)
    padding_s = PADDING_S.get(output_format.value, 0.001)
    assert -0.001 <= (len(heard_S) - len(speech)) / SAMPLE_RATE_HZ <= padding_s
    assert likeness(speech, heard_S) > 0.9
    assert likeness(speech[::-1], heard_S) < 0.5


@pytest.mark.parametrize("output_format", ENCODED)
@pytest.mark.parametrize("num_samples", [1, 2, 161, 4000])
def test_short_sounds_are_whole_files(output_format, num_samples):
    data = b"".join(encode(tone(num_samples), output_format))
    excess_s = (len(decoded(data, output_format.value)) - num_samples) / SAMPLE_RATE_HZ
    assert -0.001 <= excess_s <= PADDING_S[output_format.value]


@pytest.mark.parametrize("output_format", list(OutputFormat))
def test_no_sound_is_no_bytes(output_format):
    nothing = np.zeros(0, np.float32)
    assert encode(nothing, output_format, [0, 0]) == [b"", b"", b"", b""]
    assert len(whole_file(b"", output_format)) == (44 if output_format is OutputFormat.WAV else 0)


@pytest.mark.parametrize("output_format", ENCODED)
def test_bytes_come_early_and_steadily(speech, output_format):
    sound = AnswerSound(output_format)
    data = b""
    for end in range(FRAME_SAMPLES, len(speech), FRAME_SAMPLES):
        data += sound.feed(speech[end - FRAME_SAMPLES : end])
        fed_s = end / SAMPLE_RATE_HZ
        assert decoded_so_far(data, output_format.value) >= fed_s - LAG_S
    sound.close()


def num_encoders_in_memory() -> int:
    """Files and encoders of PyAV that are not freed; the collector is off, so that only references count."""
    return sum(type(item) in (OutputContainer, AudioCodecContext) for item in gc.get_objects())


@pytest.mark.parametrize("output_format", ENCODED)
def test_a_given_up_sound_leaves_nothing_in_memory(output_format):
    gc.collect()
    gc.disable()
    try:
        before = num_encoders_in_memory()
        sound = AnswerSound(output_format)
        sound.feed(tone(8_000))
        assert num_encoders_in_memory() == before + 2
        sound.close()
        assert num_encoders_in_memory() == before
    finally:
        gc.enable()


def test_a_closed_encoder_says_so():
    encoder = SoundEncoder(CODECS["mp3"])
    encoder.close()
    encoder.close()
    for use in (lambda: encoder.feed(b"\0\0"), encoder.finish):
        with pytest.raises(AudioError, match="encoder = 'closed' is not allowed"):
            use()


def test_a_missing_encoder_is_named():
    codec = dataclasses.replace(CODECS["mp3"], encoder="libnothing")
    assert not has_encoder("libnothing")
    with pytest.raises(AudioError, match=r"'mp3'.*libnothing is missing.*Choose another format"):
        SoundEncoder(codec)


def test_every_encoder_is_there():
    assert all(output_format.is_served for output_format in OutputFormat)
