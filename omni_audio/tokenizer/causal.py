"""Causal convolution blocks with explicit streaming state.

Source: ConvNeXt block (Liu et al. 2022, section 2.6) as used in Vocos, with left padding only.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(slots=True)
class StackState:
    """What a stack remembers: per block the last kernel - 1 input columns, (B, C, kernel - 1)."""

    buffers: list[Tensor]


class CausalConvNeXtBlock(nn.Module):
    """Depthwise causal convolution, LayerNorm, pointwise MLP, layer scale, residual."""

    def __init__(self, width: int, kernel: int, expansion: int, layer_scale: float) -> None:
        super().__init__()
        self.history = kernel - 1
        self.depthwise = nn.Conv1d(width, width, kernel, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, width * expansion)
        self.down = nn.Linear(width * expansion, width)
        self.scale = nn.Parameter(torch.full((width,), layer_scale))

    def forward(self, x_BTC: Tensor, buffer_BCH: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C) and the last kernel - 1 columns -> (B, T, C) and the new last columns."""
        padded_BTC = torch.cat([buffer_BCH.transpose(1, 2).to(x_BTC.dtype), x_BTC], 1)
        hidden_BTC = self.norm(self._convolve(padded_BTC))
        hidden_BTC = self.down(F.gelu(self.up(hidden_BTC)))
        last_BHC = padded_BTC[:, padded_BTC.shape[1] - self.history :]
        return x_BTC + self.scale * hidden_BTC, last_BHC.transpose(1, 2)

    def _convolve(self, padded_BTC: Tensor) -> Tensor:
        """The depthwise convolution over T, done as one of an image of a single row, its channels last.

        On CPUs that takes half of the time of a convolution over a line.
        """
        weight_CIK, image_BCIT = self.depthwise.weight, padded_BTC.transpose(1, 2)[:, :, None]
        found_BCIT = F.conv2d(
            image_BCIT, weight_CIK[:, :, None], self.depthwise.bias, groups=weight_CIK.shape[0]
        )
        return found_BCIT[:, :, 0].transpose(1, 2)


class CausalStack(nn.Module):
    """`num_blocks` causal ConvNeXt blocks: (B, T, C) -> (B, T, C)."""

    def __init__(self, width: int, num_blocks: int, kernel: int = 7, expansion: int = 4) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(
            CausalConvNeXtBlock(width, kernel, expansion, layer_scale=1.0 / max(num_blocks, 1))
            for _ in range(num_blocks)
        )
        self.history = kernel - 1

    def initial_state(self, num_rows: int, device: torch.device | None = None) -> StackState:
        """Zeros: nothing was heard yet."""
        return StackState(
            [torch.zeros(num_rows, self.width, self.history, device=device) for _ in self.blocks]
        )

    def forward(self, x_BTC: Tensor, state: StackState | None = None) -> tuple[Tensor, StackState]:
        """Any chunking of T gives the same result as one call."""
        if state is None:
            state = self.initial_state(x_BTC.shape[0], x_BTC.device)
        if len(state.buffers) != len(self.blocks):
            raise ValueError(
                f"state.buffers has {len(state.buffers)} entries, expected {len(self.blocks)}: "
                "it belongs to another stack. Take it from this stack's initial_state()."
            )
        buffers = []
        for block, buffer in zip(self.blocks, state.buffers, strict=True):
            x_BTC, new_buffer = block(x_BTC, buffer)
            buffers.append(new_buffer)
        return x_BTC, StackState(buffers)
