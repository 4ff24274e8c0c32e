"""Codec2 (David Rowe; libcodec2 inside the package pycodec2) behind the codec interface.

A classical vocoder for telephone speech, 8 kHz, that needs no weights: the anchor at our bit rates. It keeps no
waveform, so that SI-SDR says little about it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import import_optional, require
from omni_audio.tokenizer.codec import (
    CodedSpeech,
    check_clip,
    fit_length,
    from_pcm16,
    resample,
    to_pcm16,
)

RATE_HZ = 8_000
MODES_KBPS = (0.7, 1.2, 1.3, 1.4, 1.6, 2.4, 3.2)


class Codec2Baseline:
    """Codec2.

    Args:
        kbps: 0.7, 1.2, 1.3, 1.4, 1.6, 2.4 or 3.2.

    Raises:
        ValueError: another bit rate, or the package is missing.
    """

    name = "codec2"
    sample_rate_hz = RATE_HZ
    num_parameters = None
    is_trained = True

    def __init__(self, kbps: float) -> None:
        require(kbps in MODES_KBPS, "codec2 kbps", kbps, f"one of {MODES_KBPS}", "Take the nearest.")
        self.kbps = kbps
        self._mode = round(kbps * 1000)
        self._new = import_optional("pycodec2", "codec2").Codec2
        facts = self._make()
        self._frame_samples: int = facts.samples_per_frame()
        self._frame_bits: int = facts.bits_per_frame()

    @property
    def step_samples(self) -> int:
        """One frame: 20 or 40 ms."""
        return self._frame_samples * SAMPLE_RATE_HZ // RATE_HZ

    def _make(self) -> Any:
        return self._new(self._mode)

    def encode(self, pcm_S: Tensor) -> CodedSpeech:
        pcm_8k = resample(check_clip(pcm_S), SAMPLE_RATE_HZ, RATE_HZ)
        padded = to_pcm16(F.pad(pcm_8k, (0, -pcm_8k.numel() % self._frame_samples)))
        coder = self._make()
        # the package codes one frame a call, whatever it is given
        frames = [coder.encode(frame) for frame in padded.reshape(-1, self._frame_samples)]
        return CodedSpeech(frames, len(frames) * self._frame_bits, pcm_S.numel())

    def decode(self, coded: CodedSpeech) -> Tensor:
        coder = self._make()
        pcm_8k = from_pcm16(np.concatenate([coder.decode(frame) for frame in coded.codes]))
        return fit_length(resample(pcm_8k, RATE_HZ, SAMPLE_RATE_HZ), coded.num_samples)

    def open_stream(self) -> Callable[[Tensor], Tensor]:
        encoder, decoder = self._make(), self._make()
        down = soxr.ResampleStream(SAMPLE_RATE_HZ, RATE_HZ, 1, dtype="float32")
        up = soxr.ResampleStream(RATE_HZ, SAMPLE_RATE_HZ, 1, dtype="float32")
        rest_S = torch.zeros(0)

        def step(pcm_S: Tensor) -> Tensor:
            nonlocal rest_S
            rest_S = torch.cat([rest_S, torch.from_numpy(down.resample_chunk(pcm_S.numpy()))])
            parts = [torch.zeros(0)]
            while rest_S.numel() >= self._frame_samples:
                frame = encoder.encode(to_pcm16(rest_S[: self._frame_samples]))
                rest_S = rest_S[self._frame_samples :]
                decoded = from_pcm16(decoder.decode(frame)).numpy()
                parts.append(torch.from_numpy(up.resample_chunk(decoded)))
            return torch.cat(parts)

        return step
