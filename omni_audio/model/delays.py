"""The delay pattern: acoustic codes of a frame are said at later positions, the finer the later.

A row is what one position of an answer brings: code k of the frame `delays[k]` frames before. A stack that says a row
at once so knows the coarse codes of a frame before its finer ones, without a depth decoder. Behind the last frame as
many rows follow as the longest delay has frames.

Source: MusicGen (Copet et al. 2023, section 2.2). As in Moshi (Défossez et al. 2024), acoustic codes alone are late.
"""

from collections import deque
from dataclasses import dataclass, field

import torch
from torch import Tensor

NO_CODE = -1


@dataclass(frozen=True, slots=True)
class CodeDelays:
    """By how many frames the code of each codebook comes later; that of the first comes with its frame."""

    frames: tuple[int, ...]

    @property
    def longest(self) -> int:
        return max(self.frames)

    def rows(self, codes_FK: Tensor) -> Tensor:
        """Codes of F frames -> rows (F + longest, K), NO_CODE where a codebook says nothing; none of no frames."""
        num_frames, num_codebooks = codes_FK.shape
        num_rows = num_frames + self.longest if num_frames > 0 else 0
        rows_RK = codes_FK.new_full((num_rows, num_codebooks), NO_CODE)
        for codebook, delay in enumerate(self.frames):
            rows_RK[delay : delay + num_frames, codebook] = codes_FK[:, codebook]
        return rows_RK

    def whole(self, rows_RK: Tensor) -> Tensor:
        """Rows from that of a frame on -> codes (F, K) of the frames that they complete."""
        num_frames = max(rows_RK.shape[0] - self.longest, 0)
        columns = [rows_RK[delay : delay + num_frames, k] for k, delay in enumerate(self.frames)]
        return torch.stack(columns, 1)

    def is_said(self, row: int, num_frames: int) -> Tensor:
        """(K,) bool, which codes a row of an answer of so many frames holds."""
        frame_K = row - torch.tensor(self.frames)
        return (frame_K >= 0) & (frame_K < num_frames)


@dataclass(slots=True)
class SaidRows:
    """The rows that an answer has said; they become frames as they complete them."""

    delays: CodeDelays
    num_rows: int = 0
    recent: deque[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.recent = deque(maxlen=self.delays.longest + 1)

    def push(self, row_K: Tensor) -> Tensor | None:
        """The frame (K,) that this row completes, if any."""
        self.recent.append(row_K)
        self.num_rows += 1
        if self.delays.longest == 0:
            return row_K
        if len(self.recent) <= self.delays.longest:
            return None
        return self.delays.whole(torch.stack(list(self.recent)))[0]
