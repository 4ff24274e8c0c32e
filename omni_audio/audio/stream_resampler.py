"""Sound at another rate while it comes: each sample goes out a few milliseconds after the last one it hangs on."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torchaudio.transforms import Resample

ZERO_CROSSINGS = 48
"""Of the windowed sinc, on either side: 3 ms at 16 kHz, 6 ms where it goes down to 8 kHz."""

ROLLOFF = 0.94
"""Where the filter begins to fall, in parts of the lower of the two highest frequencies."""

KAISER_BETA = 10.0
"""Of the window: what lies beyond the rates' half is 100 dB down."""


class StreamResampler:
    """Windowed-sinc resampling of a stream by torchaudio's filters, in double precision so that chunks do not show.

    soxr hands out blocks, the first of them, at 8 kHz, after more than 80 ms: too late for a telephone.

    Args:
        in_rate_hz: of the samples that come, above 0.
        out_rate_hz: of those that go, above 0 and another.

    Raises:
        ValueError: both rates are the same.
    """

    def __init__(self, in_rate_hz: int, out_rate_hz: int) -> None:
        if in_rate_hz == out_rate_hz:
            raise ValueError(f"out_rate_hz {out_rate_hz} is not allowed: expected another than in_rate_hz")
        divisor = math.gcd(in_rate_hz, out_rate_hz)
        self._in_block, self._out_block = in_rate_hz // divisor, out_rate_hz // divisor
        filters = Resample(
            in_rate_hz,
            out_rate_hz,
            resampling_method="sinc_interp_kaiser",
            lowpass_filter_width=ZERO_CROSSINGS,
            rolloff=ROLLOFF,
            beta=KAISER_BETA,
            dtype=torch.float64,
        )
        self._taps_WK = (
            filters.get_buffer("kernel")[:, 0].numpy().T
        )  # one filter for each sample of a block that goes
        self._held_S = np.zeros(filters.width)
        self._num_in, self._num_out = 0, 0

    def feed(self, pcm_S: np.ndarray) -> np.ndarray:
        """The samples that these complete.

        Args:
            pcm_S: float, at the rate that comes; may be empty.

        Returns:
            pcm_S at the rate that goes, float32, perhaps empty.
        """
        self._num_in += len(pcm_S)
        return self._push(pcm_S)

    def finish(self) -> np.ndarray:
        """The samples that are left; call it once, last. Returns as feed()."""
        due = math.ceil(self._num_in * self._out_block / self._in_block) - self._num_out
        return self._push(np.zeros(len(self._taps_WK) + self._in_block))[:due]

    def _push(self, pcm_S: np.ndarray) -> np.ndarray:
        """Takes the samples in and gives those whose surroundings are whole."""
        self._held_S = np.concatenate([self._held_S, pcm_S])
        if len(self._held_S) < len(self._taps_WK):
            return np.zeros(0, dtype=np.float32)
        windows_NW = sliding_window_view(self._held_S, len(self._taps_WK))[:: self._in_block]
        out_S = (windows_NW @ self._taps_WK).reshape(-1)
        self._held_S = self._held_S[len(windows_NW) * self._in_block :]
        self._num_out += len(out_S)
        return out_S.astype(np.float32)
