"""How generated speech sounds beside the source voice: predicted opinion scores, and whether it is one voice."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.evaluation.bootstrap import mean_interval, quantile_interval, ratio_interval
from omni_audio.evaluation.definitions import make_figure
from omni_audio.evaluation.predicted_mos import PredictedMos
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.speaker_similarity import SpeakerEncoder

MIN_CLIP_SAMPLES = SAMPLE_RATE_HZ // 4
"""Of a clip that these networks hear: shorter ones hold no syllable."""
SPREAD_QUANTILE = 0.05
SIMILARITIES = (
    "turn_similarity",
    "source_turn_similarity",
    "source_turn_similarity_p05",
    "source_voice_similarity",
)


def add_predicted_mos(
    results: Results,
    figure: str,
    judge: PredictedMos | str,
    made: Sequence[Tensor],
    source: Sequence[Tensor],
    seed: int,
) -> None:
    """Scores of generated clips and of the recordings of the same texts, and their ratio.

    Args:
        results: gets the figures.
        figure: `predicted_mos` or `distill_mos`.
        judge: the network; a text says why there is none.
        made: generated clips (S,).
        source: recordings (S,) of the same texts, in this order.
        seed: of the bootstrap.
    """
    names = (figure, f"{figure}_source", f"{figure}_of_source_percent")
    pairs = [
        (ours_S, theirs_S)
        for ours_S, theirs_S in zip(made, source, strict=True)
        if min(ours_S.numel(), theirs_S.numel()) >= MIN_CLIP_SAMPLES
    ]
    if isinstance(judge, str) or not pairs:
        for name in names:
            results.leave_out(name, judge if isinstance(judge, str) else _no_clips(len(made)))
        return
    bar = tqdm(pairs, desc=judge.name, unit="text")
    scores = [(judge.score(ours_S), judge.score(theirs_S)) for ours_S, theirs_S in bar]
    ours, theirs = [score for score, _ in scores], [score for _, score in scores]
    num_left = len(made) - len(pairs)
    note = f"Judge: {judge.name}." + (
        f" {num_left} texts gave under 0.25 s and are not in." if num_left else ""
    )
    found = (
        mean_interval(ours, 1.0, seed),
        mean_interval(theirs, 1.0, seed),
        ratio_interval(ours, theirs, 100.0, seed),
    )
    for name, interval in zip(names, found, strict=True):
        results.add(make_figure(name, interval, len(pairs), note))


@torch.no_grad()
def add_same_voice(
    results: Results,
    speaker: SpeakerEncoder | str,
    replies: Sequence[Tensor],
    source: Sequence[Tensor],
    seed: int,
) -> None:
    """Whether replies to different turns are one voice, beside the source voice's own spread.

    Args:
        results: gets the figures.
        speaker: gives embeddings; a text says why there is none.
        replies: spoken replies (S,) to turns.
        source: recorded answers (S,) of the source voice.
        seed: of the bootstrap.
    """
    kept = [[pcm_S for pcm_S in clips if pcm_S.numel() >= MIN_CLIP_SAMPLES] for clips in (replies, source)]
    if isinstance(speaker, str) or min(map(len, kept)) < 2:
        for name in SIMILARITIES:
            results.leave_out(name, speaker if isinstance(speaker, str) else _no_clips(len(replies), 2))
        return
    ours_ND, theirs_ND = (
        torch.stack([speaker.embed(pcm_S) for pcm_S in tqdm(clips, desc="speaker", unit="clip")])
        for clips in kept
    )
    ours, theirs = each_to_others(ours_ND), each_to_others(theirs_ND)
    to_source = (ours_ND @ F.normalize(theirs_ND.mean(0), dim=-1)).tolist()
    found = {
        "turn_similarity": (mean_interval(ours, 1.0, seed), ours),
        "source_turn_similarity": (mean_interval(theirs, 1.0, seed), theirs),
        "source_turn_similarity_p05": (quantile_interval(theirs, SPREAD_QUANTILE, 1.0, seed), theirs),
        "source_voice_similarity": (mean_interval(to_source, 1.0, seed), to_source),
    }
    for name, (interval, of) in found.items():
        results.add(make_figure(name, interval, len(of)))


def each_to_others(embeddings_ND: Tensor) -> list[float]:
    """Cosine of each of at least two embeddings of length 1 to the mean of the others."""
    others_ND = F.normalize(embeddings_ND.sum(0, keepdim=True) - embeddings_ND, dim=-1)
    return (embeddings_ND * others_ND).sum(-1).tolist()


def _no_clips(num: int, least: int = 1) -> str:
    if num == 0:
        return "num_speech_items is 0"
    return f"fewer than {least} of {num} clips hold a quarter of a second of sound"
