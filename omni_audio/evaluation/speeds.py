"""Quality of spoken texts by speed: duration, pitch, words and voice, each against the same speech at speed 1."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor
from tqdm import tqdm

from omni_audio.audio.time_stretch import stretch_whole
from omni_audio.evaluation.bootstrap import bootstrap
from omni_audio.evaluation.definitions import make_count, make_figure
from omni_audio.evaluation.judge import Judge
from omni_audio.evaluation.pitch import PITCH_WINDOW_SAMPLES, pitch_ratio
from omni_audio.evaluation.results import Results, digits
from omni_audio.evaluation.speaker_similarity import SpeakerEncoder
from omni_audio.evaluation.voice_figures import MIN_CLIP_SAMPLES
from omni_audio.evaluation.wer import ErrorCounts, corpus_rate_percent, count_words

SPEEDS = (0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0)
USUAL = (0.5, 2.0)
"""Between these the words must stay as good as at speed 1."""
FIGURES = ("speed_wer_change_points", "speed_duration_error_percent", "speed_f0_shift_percent")
MIN_PITCH_SAMPLES = 2 * PITCH_WINDOW_SAMPLES
"""Of the fastest copy of a clip."""


@dataclass(frozen=True, slots=True)
class BySpeed:
    """Spoken texts at every speed: speed -> clips (S,), one a text; both empty where no clip held sound."""

    texts: list[str]
    sounds: dict[float, list[Tensor]]


def at_speeds(clips: Sequence[Tensor]) -> dict[float, list[Tensor]]:
    """Clips (S,) at every speed, as `say` and the server make them; speed 1 is the clip itself."""
    return {
        speed: [pcm_S if speed == 1.0 else stretch_whole(pcm_S[None], speed)[0] for pcm_S in clips]
        for speed in tqdm(SPEEDS, desc="speeds", unit="speed")
    }


def add_speeds(
    results: Results,
    texts: Sequence[str],
    clips: Sequence[Tensor],
    judge: Judge | str,
    speaker: SpeakerEncoder | str,
    seed: int,
) -> BySpeed:
    """The table by speed and the figures of it.

    Args:
        results: gets them.
        texts: what is said.
        clips: generated speech (S,) of the texts at speed 1; those under 0.25 s are not in.
        judge: hears words; a text says why there is none, and the column is then missing.
        speaker: hears voices, likewise.
        seed: of the bootstrap.

    Returns:
        The clips that are in.
    """
    pairs = [
        (text, pcm_S) for text, pcm_S in zip(texts, clips, strict=True) if pcm_S.numel() >= MIN_CLIP_SAMPLES
    ]
    if not pairs:
        reason = f"none of {len(clips)} clips holds sound" if clips else "num_speed_items is 0"
        for name in FIGURES:
            results.leave_out(name, reason)
        return BySpeed([], {})
    said, usual = [text for text, _ in pairs], [pcm_S for _, pcm_S in pairs]
    sounds = at_speeds(usual)
    errors: dict[float, list[ErrorCounts]] = {}
    if not isinstance(judge, str):
        for speed, of_speed in sounds.items():
            heard = tqdm(judge.transcribe(of_speed), f"judge speed {speed:g}", len(of_speed), unit="clip")
            errors[speed] = [count_words(text, words) for text, words in zip(said, heard, strict=True)]
    rows = [
        _row(speed, of_speed, usual, errors.get(speed), speaker, seed) for speed, of_speed in sounds.items()
    ]
    results.tables["quality_by_speed"] = rows
    if errors:
        results.add(make_figure(FIGURES[0], _worst_change(errors, seed), len(pairs)))
    else:
        results.leave_out(FIGURES[0], str(judge))
    most = max(row["duration_error_percent"] for row in rows)
    results.add(make_count("speed_duration_error_percent", most, len(pairs)))
    shifts = [abs(row["f0_shift_percent"]) for row in rows if "f0_shift_percent" in row]
    if shifts:
        results.add(make_count("speed_f0_shift_percent", max(shifts), len(pairs)))
    else:
        results.leave_out("speed_f0_shift_percent", "no clip is long enough for pitch")
    return BySpeed(said, sounds)


def _row(
    speed: float,
    sounds: Sequence[Tensor],
    usual: Sequence[Tensor],
    errors: Sequence[ErrorCounts] | None,
    speaker: SpeakerEncoder | str,
    seed: int,
) -> dict[str, Any]:
    """What was measured at one speed; medians over clips, means of similarity."""
    pairs = list(zip(sounds, usual, strict=True))
    off = [abs(100.0 * (changed_S.numel() * speed / pcm_S.numel() - 1.0)) for changed_S, pcm_S in pairs]
    row: dict[str, Any] = {"speed": speed, "duration_error_percent": digits(statistics.median(off))}
    shifts = [
        100.0 * (pitch_ratio(changed_S, pcm_S) - 1.0) for changed_S, pcm_S in pairs if _has_pitch(pcm_S)
    ]
    finite = [shift for shift in shifts if math.isfinite(shift)]
    if finite:
        row["f0_shift_percent"] = digits(statistics.median(finite))
    if errors is not None:
        found = corpus_rate_percent(errors, seed)
        row |= {"wer_percent": digits(found.value), "low": digits(found.low), "high": digits(found.high)}
    if not isinstance(speaker, str):
        alike = [speaker.similarity(changed_S, pcm_S) for changed_S, pcm_S in pairs]
        row["speaker_similarity"] = digits(statistics.mean(alike))
    return row | {"n": len(pairs)}


def _has_pitch(pcm_S: Tensor) -> bool:
    """Whether the clip and its fastest copy are long enough and not silent."""
    return pcm_S.numel() / max(SPEEDS) >= MIN_PITCH_SAMPLES and float(pcm_S.abs().max()) > 1e-3


def _worst_change(errors: dict[float, list[ErrorCounts]], seed: int):
    """The largest change of the error rate against speed 1 among the usual speeds, in points."""
    speeds = [speed for speed in errors if USUAL[0] <= speed <= USUAL[1] and speed != 1.0]
    wrong = {speed: np.array([count.errors for count in counts]) for speed, counts in errors.items()}
    units = np.array([count.num_units for count in errors[1.0]])

    def worst(index_RN: np.ndarray) -> np.ndarray:
        total_R = units[index_RN].sum(1)
        changes = [(wrong[speed][index_RN] - wrong[1.0][index_RN]).sum(1) / total_R for speed in speeds]
        return 100.0 * np.max(changes, axis=0)

    return bootstrap(worst, len(units), seed)
