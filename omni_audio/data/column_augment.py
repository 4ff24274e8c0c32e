"""Distortions of log-mel columns that cost next to nothing, drawn anew each time that a recording is heard."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from omni_audio.audio.mel import SILENCE, LogMelConfig
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require_range


@dataclass(kw_only=True, slots=True)
class ColumnAugmentConfig:
    """How the columns of a recording are moved and stretched where the semantic level learns from columns.

    Attributes:
        max_shift_columns: so many columns of silence at most stand before the recording: the same sound falls into its
            frames in other ways.
        max_warp: the bands are stretched by up to this share, up or down, as if the vocal tract were shorter or longer
            (VTLP, Jaitly and Hinton 2013).
    """

    max_shift_columns: int = 7
    max_warp: float = 0.1

    def __post_init__(self) -> None:
        require_range("data.columns.max_shift_columns", self.max_shift_columns, 0, 100)
        require_range("data.columns.max_warp", self.max_warp, 0.0, 0.5)


class ColumnAugment:
    """Draws a shift and a warp for each call."""

    def __init__(self, config: ColumnAugmentConfig, mel: LogMelConfig) -> None:
        self.config = config
        banks = melscale_fbanks(
            mel.window_samples // 2 + 1,
            mel.f_min_hz,
            mel.f_max_hz,
            mel.num_mels,
            SAMPLE_RATE_HZ,
            "slaney",
            "slaney",
        )
        bins = torch.arange(banks.shape[0], dtype=torch.float32)
        self.centres_M = (bins[:, None] * banks).sum(0) / banks.sum(0)

    def __call__(self, frames_FX: Tensor, generator: torch.Generator) -> Tensor:
        """Frames (F, columns * M) of a recording -> (F or F + 1, columns * M), float32."""
        num_mels = len(self.centres_M)
        columns_TM = frames_FX.float().reshape(-1, num_mels)
        columns_TM = self.warped(columns_TM, self._draw(generator) * self.config.max_warp)
        shift = int(torch.randint(self.config.max_shift_columns + 1, (), generator=generator))
        if shift > 0:
            behind = -shift % (frames_FX.shape[1] // num_mels)
            before_SM, behind_SM = (
                columns_TM.new_full((rows, num_mels), SILENCE) for rows in (shift, behind)
            )
            columns_TM = torch.cat([before_SM, columns_TM, behind_SM])
        return columns_TM.reshape(-1, frames_FX.shape[1])

    def warped(self, columns_TM: Tensor, warp: float) -> Tensor:
        """Each band takes the value at `1 + warp` times its frequency; beyond the last band, that of the last."""
        wanted_M = self.centres_M * (1 + warp)
        right_M = torch.searchsorted(self.centres_M, wanted_M).clamp(1, len(wanted_M) - 1)
        left_M = right_M - 1
        gap_M = self.centres_M[right_M] - self.centres_M[left_M]
        share_M = ((wanted_M - self.centres_M[left_M]) / gap_M).clamp(0, 1)
        return torch.lerp(columns_TM[:, left_M], columns_TM[:, right_M], share_M)

    @staticmethod
    def _draw(generator: torch.Generator) -> float:
        """-1 to 1."""
        return 2 * float(torch.rand((), generator=generator)) - 1
