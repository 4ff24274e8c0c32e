"""Log-mel pictures of sounds, for reports and for the samples of a training."""

import io
from collections.abc import Sequence

import matplotlib.image
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from omni_audio.audio.mel import LogMel, LogMelConfig
from omni_audio.audio.units import HOP_SAMPLES

DARKEST, BRIGHTEST = -1.8, 2.6
"""Values of LogMel at the ends of the colour scale."""
GAP_ROWS = 4


def spectrogram_png(clips: Sequence[Tensor]) -> bytes:
    """Spectrograms one above the other, the first on top.

    Args:
        clips: (S,) 16 kHz samples each, S > 0; shorter ones are filled with silence.

    Returns:
        A PNG, one pixel a mel column and a mel band: time to the right, 0 to 8 kHz upwards.
    """
    longest = max(len(pcm_S) for pcm_S in clips)
    longest += -longest % HOP_SAMPLES
    mel = LogMel(LogMelConfig())
    rows: list[np.ndarray] = []
    for pcm_S in clips:
        with torch.no_grad():
            mel_BTM, _ = mel(F.pad(pcm_S, (0, longest - len(pcm_S)))[None])
        picture_MT = mel_BTM[0].T.flip(0).numpy()
        rows += [np.full((GAP_ROWS, picture_MT.shape[1]), BRIGHTEST, picture_MT.dtype), picture_MT]
    file = io.BytesIO()
    matplotlib.image.imsave(file, np.concatenate(rows[1:]), cmap="magma", vmin=DARKEST, vmax=BRIGHTEST)
    return file.getvalue()
