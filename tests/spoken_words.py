"""Sound whose words lie at known places: spoken one by one, cut at their sound, pauses between."""

from pathlib import Path

import torch

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.data.corpora.voices import speak, voice_of

SHIPPED = Path(__file__).parents[1] / "builds/omni-audio-tokenizer-nano4-2026-11-22"
"""A tokenizer that was trained to hear letters."""

SAID = ["kitchen", "off", "tomorrow", "please", "timer"]


def _loud_part(pcm_S: torch.Tensor) -> torch.Tensor:
    loud = (pcm_S.abs() > 0.02 * pcm_S.abs().max()).nonzero()[:, 0]
    return pcm_S[int(loud[0]) : int(loud[-1])]


def spoken(voice: str, words: list[str], pause_s: float) -> tuple[torch.Tensor, list[tuple[float, float]]]:
    """Words of a voice, one by one with pauses between them, and where each of them lies, in seconds."""
    pause_S = torch.zeros(int(pause_s * SAMPLE_RATE_HZ))
    pieces, places, at = [pause_S], [], len(pause_S)
    for word in words:
        said_S = _loud_part(torch.from_numpy(speak(voice_of(voice), word).copy()))
        places.append((at / SAMPLE_RATE_HZ, (at + len(said_S)) / SAMPLE_RATE_HZ))
        pieces += [said_S, pause_S]
        at += len(said_S) + len(pause_S)
    return torch.cat(pieces), places
