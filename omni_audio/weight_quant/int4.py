"""Four-bit weights for fast single rows on CPUs: torch's packed integers, a scale and a zero for each 64 of them.

Beside NF4 a product of one row takes an eighth of the time, at 4.5 bits a weight instead of 4.13 and the same error
(benchmarks/one_row.py). Long prompts are slower than in float32. For inference alone: nothing is learnt through
it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.checks import require
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.nf4 import chosen_linears, replace_module, require_no_adapters

GROUP = 64
ROW_MULTIPLE = 16
"""Outputs come in sixteens; a layer of another width is filled up, and the product cut."""


class Int4Linear(nn.Module):
    """A linear whose weights (out, in) are q in 0..15 of their group of 64 inputs: w = (q - 8) * scale + zero."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        packed, scales_and_zeros = pack(linear.weight.detach())
        self.packed: Tensor
        self.register_buffer("packed", packed)
        self.scales_and_zeros: Tensor
        self.register_buffer("scales_and_zeros", scales_and_zeros)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), computed in bfloat16, of the dtype of `x`."""
        rows = x.flatten(0, -2).bfloat16()
        made = torch.ops.aten._weight_int4pack_mm_for_cpu(rows, self.packed, GROUP, self.scales_and_zeros)
        made = made[:, : self.out_features].to(x.dtype).unflatten(0, x.shape[:-1])
        return made if self.bias is None else made + self.bias


def pack(weight: Tensor, group: int = GROUP) -> tuple[Tensor, Tensor]:
    """Packed weights, and (in / group, out, 2) scales and zeros in bfloat16, of (out, in) weights; out is filled up.

    Raises:
        ValueError: the inputs are no multiple of the group.
    """
    is_whole = weight.shape[1] % group == 0
    require(
        is_whole, "weight.shape[1]", weight.shape[1], f"a multiple of {group}", "Change the model's widths."
    )
    groups = F.pad(weight.float(), (0, 0, 0, -weight.shape[0] % ROW_MULTIPLE)).unflatten(1, (-1, group))
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scales = ((high - low) / 15).bfloat16().float()
    zeros = (low + 8 * scales).bfloat16().float()
    codes = ((groups - zeros) / scales.clamp_min(1e-20) + 8).round().clamp(0, 15).to(torch.int32)
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.flatten(1), 1)
    facts = torch.cat([scales, zeros], -1).transpose(0, 1).contiguous().bfloat16()
    return packed, facts


def pack_model(model: nn.Module) -> list[str]:
    """Replaces the linears of stack, depth decoder and main head of a model on a CPU, in place; returns their names.

    Raises:
        ValueError: an input width is no multiple of 64, or the model has adapters.
    """
    require_no_adapters(model)
    chosen = chosen_linears(model, NF4Config())
    for name, linear in chosen:
        replace_module(model, name, Int4Linear(linear))
    return [name for name, _ in chosen]
