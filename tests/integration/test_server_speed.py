"""Speed through the server: how long an answer is, and that its voice stays as high as it was.

The frames are those of recorded sentences, so that the answer is a voice, through the tokenizer that is shipped.
"""

import base64
from pathlib import Path

import pytest
import torch
from asking import ask
from sound_files import decoded

from omni_audio.audio.io import load_audio
from omni_audio.audio.units import FRAME_SAMPLES, SAMPLE_RATE_HZ

CLIPS = Path(__file__).parents[1] / "data"
SAID = [
    "allison-conf-leaderhasleft",
    "allison-check-number-dial-again",
    "allison-vm-msgsaved",
    "allison-privacy-prompt",
]
LAGS = range(45, 130)
"""Periods from 123 to 355 Hz, in samples."""


@pytest.fixture(scope="module")
def voice(hearing_assistant):
    """Codes of a voice that says some sentences."""
    pcm_S = torch.cat([load_audio(CLIPS / f"{name}.flac") for name in SAID])
    return hearing_assistant.tokenizer.encode(pcm_S[None]).acoustic_BFK[0]


def median_f0_hz(pcm_S):
    """Of the voiced pieces of 40 ms: the lag at which each is most like itself, between the samples too."""
    pieces_NX = pcm_S.unfold(0, 640, 80)
    level_N = pieces_NX.square().mean(-1).sqrt()
    pieces_NX = pieces_NX[level_N > 0.3 * level_N.quantile(0.95)]
    spectrum_NX = torch.fft.rfft(pieces_NX - pieces_NX.mean(-1, keepdim=True), 2048)
    likeness_NL = torch.fft.irfft(spectrum_NX.abs() ** 2)[:, : LAGS.stop + 1]
    likeness_NL = likeness_NL / likeness_NL[:, :1] * 640 / torch.arange(640, 640 - LAGS.stop - 1, -1)
    best_N, lag_N = likeness_NL[:, LAGS.start : LAGS.stop].max(-1)
    row_N, lag_N = torch.arange(len(lag_N)), lag_N + LAGS.start
    before_N, after_N = likeness_NL[row_N, lag_N - 1], likeness_NL[row_N, lag_N + 1]
    exact_N = lag_N + (before_N - after_N) / 2 / (before_N - 2 * best_N + after_N)
    voiced_N = exact_N[best_N > 0.7]
    assert len(voiced_N) > 50
    return float((SAMPLE_RATE_HZ / voiced_N).median())


def test_speed_changes_the_length_and_not_the_pitch(scripted_server, hearing_assistant, voice):
    usual_s = len(voice) * FRAME_SAMPLES / SAMPLE_RATE_HZ
    f0_hz = {}
    with scripted_server([("codes", voice), ("end", "stop")], assistant=hearing_assistant) as url:
        for speed in (1.0, 0.25, 0.5, 0.8, 1.25, 2.0, 4.0):
            audio = {"voice": "alloy", "format": "wav", "speed": speed}
            answer = ask(url, modalities=["text", "audio"], audio=audio).choices[0].message.audio
            pcm_S = torch.from_numpy(decoded(base64.b64decode(answer.data), "wav"))
            assert len(pcm_S) / SAMPLE_RATE_HZ == pytest.approx(usual_s / speed, rel=0.03)
            f0_hz[speed] = median_f0_hz(pcm_S)
    assert 150 < f0_hz[1.0] < 260, "the voice is a woman's"
    assert f0_hz == {speed: pytest.approx(f0_hz[1.0], rel=0.02) for speed in f0_hz}


def test_the_measure_tells_a_voice_that_was_made_higher(hearing_assistant, voice):
    pcm_S = hearing_assistant.tokenizer.decode(voice[None])[0].detach()
    higher_S = torch.nn.functional.interpolate(pcm_S[None, None], scale_factor=1 / 1.05, mode="linear")[0, 0]
    assert median_f0_hz(higher_S) > 1.03 * median_f0_hz(pcm_S)
