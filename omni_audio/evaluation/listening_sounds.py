"""The sounds of a listening test that no system makes: degraded speech, trapping clips, trials of the headphones."""

import math
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require_positive
from omni_audio.files import written_whole

LEVEL_DBFS = -26.0
"""RMS of every clip, as ITU-T P.800 has it (there of the active speech), so that loudness decides nothing."""
PEAK_LIMIT = 0.99
BEEP_HZ, BEEP_S, BEEP_GAP_S = 880.0, 0.18, 0.32
TRAP_SPEECH_S = 1.2
"""So long a trapping clip sounds like any other."""
TONE_HZ, TONE_S, TONE_GAP_S, TONE_RAMP_S = 200.0, 1.0, 0.5, 0.1
QUIETER_DB = -6.0
NUM_TONES = 3
SILENCE_S = 1.0


def at_level(pcm_S: Tensor) -> Tensor:
    """The clip at LEVEL_DBFS, or less where its peaks would be cut; no samples become a second of silence."""
    if pcm_S.numel() == 0:
        return torch.zeros(int(SILENCE_S * SAMPLE_RATE_HZ))
    level = float(pcm_S.square().mean().sqrt())
    if level < 1e-6:
        return pcm_S
    return pcm_S * min(10 ** (LEVEL_DBFS / 20) / level, PEAK_LIMIT / float(pcm_S.abs().max()))


def modulated_noise(pcm_S: Tensor, q_db: float, seed: int) -> Tensor:
    """Speech under noise that follows its own level, `q_db` below it: the usual anchor of listening tests.

    Source: ITU-T P.810, modulated noise reference unit, without its band filters.
    """
    noise_S = torch.randn(pcm_S.shape, generator=torch.Generator().manual_seed(seed))
    return pcm_S * (1 + 10 ** (-q_db / 20) * noise_S)


def trapping_clip(pcm_S: Tensor, num_beeps: int) -> Tensor:
    """The beginning of a clip, then so many beeps: who counts them is listening."""
    require_positive("num_beeps", num_beeps)
    speech_S = at_level(pcm_S)[: int(TRAP_SPEECH_S * SAMPLE_RATE_HZ)]
    beep_S = _tone(BEEP_HZ, BEEP_S, 0.02) * 10 ** (LEVEL_DBFS / 20) * math.sqrt(2)
    gap_S = torch.zeros(int(BEEP_GAP_S * SAMPLE_RATE_HZ))
    return torch.cat([speech_S, *([gap_S, beep_S] * num_beeps), gap_S])


def headphone_trial(quietest: int, opposed: int) -> Tensor:
    """Three low tones in stereo, (S, 2); one is quieter, another is in opposite phase left and right.

    Loudspeakers cancel the opposed one in the room, so that it seems the quietest; headphones do not.

    Args:
        quietest: which tone is 6 dB down, 0 to 2.
        opposed: which other tone has its right side turned over.

    Source: Woods et al. 2017, "Headphone screening to facilitate web-based auditory experiments".
    """
    gap_SC = torch.zeros(int(TONE_GAP_S * SAMPLE_RATE_HZ), 2)
    parts = []
    for place in range(NUM_TONES):
        tone_S = 0.25 * _tone(TONE_HZ, TONE_S, TONE_RAMP_S)
        if place == quietest:
            tone_S = tone_S * 10 ** (QUIETER_DB / 20)
        parts += [torch.stack([tone_S, -tone_S if place == opposed else tone_S], dim=1), gap_SC]
    return torch.cat(parts)


def save_stereo(path: Path, pcm_SC: Tensor) -> None:
    """Writes a PCM16 wav of two channels, whole or not at all."""
    with written_whole(path) as temporary:
        soundfile.write(
            str(temporary), pcm_SC.numpy().astype(np.float32), SAMPLE_RATE_HZ, "PCM_16", format="WAV"
        )


def _tone(frequency_hz: float, duration_s: float, ramp_s: float) -> Tensor:
    """(S,) a sine of peak 1 with raised-cosine ends."""
    times_S = torch.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    edge_S = (torch.minimum(times_S, duration_s - times_S) / ramp_s).clamp(0, 1)
    return torch.sin(2 * math.pi * frequency_hz * times_S) * (0.5 - 0.5 * torch.cos(math.pi * edge_S))
