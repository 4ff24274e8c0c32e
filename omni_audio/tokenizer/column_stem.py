"""Log-mel columns of a frame -> one vector, by causal convolutions that overlap.

Patches laid side by side look different for every shift of the same sound against the frames; columns read through
overlapping convolutions do not.
Source: the strided convolutions before the encoders of Whisper (Radford et al. 2022, section 2.2), causal here.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.tokenizer.causal import StackState

KERNEL, STRIDE = 5, 2


class HalvingConvolution(nn.Module):
    """Two columns become one: strided convolution with left padding only, LayerNorm, GELU."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(num_inputs, num_outputs, KERNEL, STRIDE)
        self.norm = nn.LayerNorm(num_outputs)

    def forward(self, x_BTC: Tensor, buffer_BCH: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C), T even, and the columns before them -> (B, T / 2, D) and the new last columns."""
        padded_BCT = torch.cat([buffer_BCH.to(x_BTC.dtype), x_BTC.transpose(1, 2)], -1)
        hidden_BTD = self.convolution(padded_BCT).transpose(1, 2)
        return F.gelu(self.norm(hidden_BTD)), padded_BCT[..., x_BTC.shape[1] :]


class ColumnStem(nn.Module):
    """Halves the rate of log-mel columns until a frame is one vector.

    Args:
        num_mels: bands of a column.
        widths: channels after each halving; a frame holds `2 ** len(widths)` columns.
    """

    def __init__(self, num_mels: int, widths: list[int]) -> None:
        super().__init__()
        self.inputs = [num_mels, *widths[:-1]]
        self.num_columns = STRIDE ** len(widths)
        self.layers = nn.ModuleList(
            HalvingConvolution(one, two) for one, two in pairwise([num_mels, *widths])
        )

    def initial_state(self, num_rows: int, device: torch.device | None = None) -> StackState:
        """Zeros before the first column."""
        history = KERNEL - STRIDE
        return StackState([torch.zeros(num_rows, width, history, device=device) for width in self.inputs])

    def forward(self, columns_BFX: Tensor, state: StackState) -> tuple[Tensor, StackState]:
        """(B, F, columns of a frame * M) -> (B, F, D) and the new state; any chunking of F gives the same."""
        x_BTC = columns_BFX.reshape(columns_BFX.shape[0], columns_BFX.shape[1] * self.num_columns, -1)
        buffers = []
        for layer, buffer in zip(self.layers, state.buffers, strict=True):
            x_BTC, new_buffer = layer(x_BTC, buffer)
            buffers.append(new_buffer)
        return x_BTC, StackState(buffers)
