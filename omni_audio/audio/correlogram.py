"""How alike a sound is to itself one lag earlier: normalised autocorrelation at lags with equal steps of pitch.

A log-mel spectrum with windows of 25 ms does not resolve the harmonics of a low voice; this shows their common period.

Source: Boersma (1993), "Accurate short-term analysis of the fundamental frequency": autocorrelation of the windowed
frame over that of the window.
"""

import math

import torch
from torch import Tensor, nn

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require

WINDOW_SAMPLES = 640
"""40 ms: two periods and more of every voice above 60 Hz."""
HOP_SAMPLES = 320
LOWEST_HZ, HIGHEST_HZ = 60.0, 480.0
PASSED_HZ, STOPPED_HZ = 1200.0, 1800.0
"""The spectrum above is left out: consonants hide the period there."""
QUIETEST_RMS = 1e-3
"""A frame below this level (-60 dB) is like nothing, so that silence has no pitch."""
FFT_SAMPLES = 1024


class Correlogram(nn.Module):
    """(B, S) samples -> (B, T, L): column t is of the 640 samples that end at sample (t + 1) * 320.

    The streaming state is the last 320 samples; zeros before the first.

    Args:
        lags_per_octave: the lags go from 1/480 s to 1/60 s, three octaves.
    """

    def __init__(self, lags_per_octave: int) -> None:
        super().__init__()
        self.lags_per_octave = lags_per_octave
        number = round(lags_per_octave * math.log2(HIGHEST_HZ / LOWEST_HZ)) + 1
        pitch_L = HIGHEST_HZ * 2.0 ** (-torch.arange(number, dtype=torch.float64) / lags_per_octave)
        window_X = torch.hann_window(WINDOW_SAMPLES, dtype=torch.float64)
        hz_N = torch.arange(FFT_SAMPLES // 2 + 1, dtype=torch.float64) * SAMPLE_RATE_HZ / FFT_SAMPLES
        hz_N = hz_N[hz_N < STOPPED_HZ]
        gain_N = ((STOPPED_HZ - hz_N) / (STOPPED_HZ - PASSED_HZ)).clamp(0.0, 1.0).square()
        # sums over the bins of both signs; bin 0, the mean, is left out
        waves_NL = 2 * torch.cos(2 * math.pi * hz_N[:, None] / pitch_L) * gain_N[:, None]
        lags_L = SAMPLE_RATE_HZ / pitch_L
        power_X = torch.fft.rfft(window_X, FFT_SAMPLES).abs().square()
        all_hz_X = torch.arange(FFT_SAMPLES // 2 + 1, dtype=torch.float64) / FFT_SAMPLES
        twice_X = torch.full_like(all_hz_X, 2.0)
        twice_X[0] = twice_X[-1] = 1.0
        of_window_L = (power_X * twice_X) @ torch.cos(2 * math.pi * all_hz_X[:, None] * lags_L)
        of_window_L = of_window_L / (power_X * twice_X).sum()
        waves_NL[0], gain_N[0] = 0.0, 0.0
        self.pitch_hz_L: Tensor
        self.window_X: Tensor
        self.waves_NL: Tensor
        self.energy_N: Tensor
        self.register_buffer("pitch_hz_L", pitch_L.float(), persistent=False)
        self.register_buffer("window_X", window_X.float(), persistent=False)
        self.register_buffer("waves_NL", (waves_NL / of_window_L).float(), persistent=False)
        self.register_buffer("energy_N", (2 * gain_N).float(), persistent=False)
        self.quietest = QUIETEST_RMS**2 * float(window_X.square().sum()) * FFT_SAMPLES

    @property
    def num_lags(self) -> int:
        """L."""
        return len(self.pitch_hz_L)

    def initial_state(self, num_rows: int, device: torch.device | None = None) -> Tensor:
        """Silence before the first sample: (B, 320)."""
        return torch.zeros(num_rows, WINDOW_SAMPLES - HOP_SAMPLES, device=device)

    def forward(self, pcm_BS: Tensor, state_BS: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Likeness at each lag, about -1..1, (B, S / 320, L), and the new state; any chunking gives the same.

        Args:
            pcm_BS: (B, S) samples at 16 kHz, S a positive multiple of 320.
            state_BS: what the call before returned; None at the start.

        Raises:
            ValueError: S is 0 or not a multiple of 320.
        """
        require(
            pcm_BS.shape[1] > 0 and pcm_BS.shape[1] % HOP_SAMPLES == 0,
            "pcm_BS.shape[1]",
            pcm_BS.shape[1],
            f"a positive multiple of {HOP_SAMPLES}",
            "Give whole hops; keep the rest for the next call.",
        )
        if state_BS is None:
            state_BS = self.initial_state(pcm_BS.shape[0], pcm_BS.device)
        joined_BS = torch.cat([state_BS, pcm_BS.float()], -1)
        frames_BTX = joined_BS.unfold(-1, WINDOW_SAMPLES, HOP_SAMPLES) * self.window_X
        power_BTN = torch.view_as_real(torch.fft.rfft(frames_BTX, FFT_SAMPLES)).square().sum(-1)
        power_BTN = power_BTN[..., : len(self.energy_N)]
        energy_BT1 = (power_BTN @ self.energy_N)[..., None] + self.quietest
        return power_BTN @ self.waves_NL / energy_BT1, joined_BS[:, joined_BS.shape[1] - state_BS.shape[1] :]
