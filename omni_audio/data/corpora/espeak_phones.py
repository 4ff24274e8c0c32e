"""Which phone an eSpeak voice says when, in a recording of it: the text is spoken once more and laid beside it.

eSpeak does not give the same samples twice (some voices have noise, and the phase of a voice goes on from text to
text), but it keeps its timing to some milliseconds. The two sounds are therefore aligned by their loudness over time.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require
from omni_audio.data.corpora.voice_engines import PcmArray, espeak_engine
from omni_audio.data.corpora.voices import Engine, Voice, at_project_rate, espeak_settings

SILENCE: Final = "sil"
MIN_CORRELATION: Final = 0.75
"""Of the two loudness curves. On 771 test recordings: 0.80 for a voice of mostly noise, 0.98 for the others; another
text's median is 0.26."""
_STRESS_MARKS: Final = str.maketrans("", "", "ˈˌ")
_WINDOW_SAMPLES: Final = 80
_MAX_EXTRA_WINDOWS: Final = 20
_SMOOTHED_WINDOWS: Final = 6
_LEAST_LEVEL: Final = 1e-2


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone and its place in a recording, seconds; the name is IPA without stress, or `sil`."""

    name: str
    start_s: float
    end_s: float


def phones_of_recording(voice: Voice, text: str, pcm_S: PcmArray) -> list[Phone]:
    """The phones of a recording in order; what comes before the first and after the last is silence.

    Args:
        voice: of eSpeak.
        text: what it says in the recording.
        pcm_S: (S,) the recording, 16 kHz.

    Raises:
        ValueError: another engine's voice, which tells no times; or the recording is not this text in this voice.
        CorpusError: eSpeak is missing or cannot speak the text.
    """
    require(
        voice.engine is Engine.ESPEAK,
        f"engine of voice {voice.name}",
        voice.engine.value,
        "espeak: the other engines do not tell when they say a phone",
        "Leave the voice out.",
    )
    engine = espeak_engine()
    spoken, onsets = engine.speak_phones(text, **espeak_settings(voice))
    spoken_S = at_project_rate(spoken, engine.rate_hz)
    lag_s, correlation = _find_lag(spoken_S, pcm_S)
    require(
        correlation >= MIN_CORRELATION,
        f"recording of {voice.name} that says {text!r}",
        f"like eSpeak's own sound by {correlation:.2f}",
        f"at least {MIN_CORRELATION}",
        "It was made by another version of eSpeak, or says another text.",
    )
    ends_s = [*(onset.start_s for onset in onsets[1:]), len(spoken_S) / SAMPLE_RATE_HZ]
    phones = [
        Phone(onset.ipa.translate(_STRESS_MARKS) or SILENCE, onset.start_s - lag_s, end_s - lag_s)
        for onset, end_s in zip(onsets, ends_s, strict=True)
    ]
    return [phone for phone in phones if phone.end_s > phone.start_s]


def frame_phones(phones: list[Phone], num_frames: int, frame_s: float) -> list[str]:
    """The phone that covers most of each frame; silence where none covers more than what is left."""
    covered: list[dict[str, float]] = [{} for _ in range(num_frames)]
    for phone, frame in itertools.product(phones, range(num_frames)):
        shared_s = min(phone.end_s, (frame + 1) * frame_s) - max(phone.start_s, frame * frame_s)
        if shared_s > 0:
            covered[frame][phone.name] = covered[frame].get(phone.name, 0.0) + shared_s
    for shares in covered:
        shares[SILENCE] = shares.get(SILENCE, 0.0) + frame_s - sum(shares.values())
    return [max(shares, key=lambda name: shares[name]) for shares in covered]


def _find_lag(spoken_S: PcmArray, recorded_S: PcmArray) -> tuple[float, float]:
    """Where the recording begins in the spoken sound, seconds, and how like the two are there, -1 to 1."""
    spoken_W, recorded_W = _loudness(spoken_S), _loudness(recorded_S)
    best = (-1.0, 0)
    last = max(0, len(spoken_W) - len(recorded_W)) + _MAX_EXTRA_WINDOWS
    for lag in range(-_MAX_EXTRA_WINDOWS, last + 1):
        skipped, early = max(0, lag), max(0, -lag)
        shared = min(len(spoken_W) - skipped, len(recorded_W) - early)
        if shared > max(_MAX_EXTRA_WINDOWS, len(recorded_W) // 2):
            pair = spoken_W[skipped : skipped + shared], recorded_W[early : early + shared]
            best = max(best, (float(np.corrcoef(*pair)[0, 1]), lag))
    return best[1] * _WINDOW_SAMPLES / SAMPLE_RATE_HZ, best[0]


def _loudness(pcm_S: PcmArray) -> npt.NDArray[np.float64]:
    """(W,) log level each 5 ms over 30 ms, relative to the whole, with a floor at -40 dB."""
    num_windows = len(pcm_S) // _WINDOW_SAMPLES
    rows_WN = pcm_S[: num_windows * _WINDOW_SAMPLES].reshape(num_windows, _WINDOW_SAMPLES).astype(np.float64)
    power_W = np.convolve(np.square(rows_WN).mean(axis=1), np.ones(_SMOOTHED_WINDOWS) / _SMOOTHED_WINDOWS)
    return np.log(np.maximum(np.sqrt(power_W / max(power_W.mean(), 1e-18)), _LEAST_LEVEL))
