"""Transcription in noise and over the telephone: the same requests, distorted with fixed seeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from omni_audio.audio.augment import Augment, AugmentConfig
from omni_audio.evaluation.definitions import make_figure
from omni_audio.evaluation.items import EvalItem
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.subject import Subject
from omni_audio.evaluation.wer import corpus_rate_percent, count_words


@dataclass(frozen=True, slots=True)
class Condition:
    """How requests are heard; `augment` is None for the recordings as they are."""

    figure: str
    title: str
    augment: AugmentConfig | None


def _only(**changes: float) -> AugmentConfig:
    """No distortion but these."""
    never = {f"{name}_probability": 0.0 for name in ("timbre", "speed", "room", "noise", "telephone", "gain")}
    return AugmentConfig(**{**never, **changes})


def _noisy(snr_db: float) -> Condition:
    noise = _only(noise_probability=1.0, min_snr_db=snr_db, max_snr_db=snr_db)
    return Condition(f"noise{snr_db:.0f}_wer_percent", f"noise, {snr_db:.0f} dB", noise)


CONDITIONS = (
    Condition("clean_wer_percent", "clean", None),
    _noisy(20.0),
    _noisy(10.0),
    _noisy(0.0),
    Condition("telephone_wer_percent", "telephone", _only(telephone_probability=1.0)),
)


def add_conditions(results: Results, subject: Subject, items: Sequence[EvalItem], seed: int) -> None:
    """WER under each condition, and the table of them; without items all are left out.

    Args:
        results: gets the figures.
        subject: hears.
        items: the requests.
        seed: of the distortions, an item each, and of the bootstrap.
    """
    rows = []
    for condition in CONDITIONS:
        if not items:
            results.leave_out(condition.figure, "num_condition_items is 0")
            continue
        heard = subject.transcribe(distorted(items, condition, seed))
        words = [count_words(item.request, text) for item, text in zip(items, heard, strict=True)]
        found = corpus_rate_percent(words, seed)
        results.add(make_figure(condition.figure, found, len(items)))
        ends = {"low": found.low, "high": found.high, "n": len(items)}
        rows.append({"condition": condition.title, "wer_percent": found.value, **ends})
    if rows:
        results.tables["wer_by_condition"] = rows


def distorted(items: Sequence[EvalItem], condition: Condition, seed: int) -> Iterator[Tensor]:
    """The requests (S,) as they are heard under a condition; for one seed the same ones each time."""
    augment = None if condition.augment is None else Augment(condition.augment)
    for number, item in enumerate(tqdm(items, desc=f"{condition.title}: transcribe", unit="clip")):
        pcm_S = item.pcm()
        generator = torch.Generator().manual_seed(1000 * seed + number)
        yield pcm_S if augment is None else augment(pcm_S, generator)
