"""Four-bit weights for fast single rows on CPUs: torch's packed integers, a scale and a zero for each 64 of them.

Beside NF4 a product of one row takes an eighth of the time, at 4.5 bits a weight instead of 4.13 and the same error
(benchmarks/one_row.py). Long prompts are slower than in float32. For inference alone: nothing is learnt through
it.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.checks import NotAllowedError, require
from omni_audio.weight_quant.chosen import (
    chosen_linears,
    hold_the_rest,
    replace_module,
    require_no_adapters,
)
from omni_audio.weight_quant.config import NF4Config

GROUP = 64
ROW_MULTIPLE = 16
"""Outputs come in sixteens; a layer of another width is filled up, and the product cut."""
ZERO_CODE = 8


@dataclass(frozen=True, slots=True)
class Int4Codes:
    """Weights (out, in) as q in 0..15 of their group: w = (q - 8) * scale + zero.

    Attributes:
        codes_OI: (out, in), uint8.
        scales_OG: (out, in / group), bfloat16.
        zeros_OG: the same.
    """

    codes_OI: Tensor
    scales_OG: Tensor
    zeros_OG: Tensor

    @classmethod
    def of(cls, weight: Tensor, group: int = GROUP) -> "Int4Codes":
        """Those of weights (out, in).

        Raises:
            ValueError: the inputs are no multiple of the group.
        """
        is_whole = weight.shape[1] % group == 0
        remedy = "Change the model's widths."
        require(is_whole, "weight.shape[1]", weight.shape[1], f"a multiple of {group}", remedy)
        groups = weight.float().unflatten(1, (-1, group))
        low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
        scales = ((high - low) / 15).bfloat16().float()
        zeros = (low + ZERO_CODE * scales).bfloat16().float()
        codes = ((groups - zeros) / scales.clamp_min(1e-20) + ZERO_CODE).round().clamp(0, 15)
        return cls(codes.to(torch.uint8).flatten(1), scales[..., 0].bfloat16(), zeros[..., 0].bfloat16())

    def packed(self) -> tuple[Tensor, Tensor]:
        """Packed as torch reads them here, and (in / group, out, 2) scales and zeros; out is filled up by zeros."""
        more = -self.codes_OI.shape[0] % ROW_MULTIPLE
        codes = F.pad(self.codes_OI, (0, 0, 0, more), value=ZERO_CODE).to(torch.int32)
        facts = F.pad(torch.stack([self.scales_OG, self.zeros_OG], -1), (0, 0, 0, 0, 0, more))
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 1)
        return packed, facts.transpose(0, 1).contiguous()


def multiply(rows: Tensor, packed: Tensor, scales_and_zeros: Tensor) -> Tensor:
    """Rows (R, in) in bfloat16 with packed weights: (R, out), out filled up."""
    return torch.ops.aten._weight_int4pack_mm_for_cpu(rows, packed, GROUP, scales_and_zeros)


class Int4Linear(nn.Module):
    """A linear of weights in 4 bits.

    Args:
        linear: of these widths and this bias.
        codes: of its weights; None takes the nearest to those that it has.
    """

    def __init__(self, linear: nn.Linear, codes: Int4Codes | None = None) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        packed, scales_and_zeros = (codes or Int4Codes.of(linear.weight.detach())).packed()
        self.packed: Tensor
        self.register_buffer("packed", packed)
        self.scales_and_zeros: Tensor
        self.register_buffer("scales_and_zeros", scales_and_zeros)
        self.bias = linear.bias
        self.train(linear.training)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), computed in bfloat16, of the dtype of `x`."""
        rows = x.flatten(0, -2).bfloat16()
        made = multiply(rows, self.packed, self.scales_and_zeros)
        made = made[:, : self.out_features].to(x.dtype).unflatten(0, x.shape[:-1])
        return made if self.bias is None else made + self.bias


def require_kernels() -> None:
    """Multiplies a few zeros.

    Raises:
        ValueError: this torch has no packing or no product for such weights on this processor.
    """
    linear = nn.Linear(GROUP, ROW_MULTIPLE, bias=False, device="meta")
    try:
        Int4Linear(linear, Int4Codes.of(torch.zeros(ROW_MULTIPLE, GROUP)))(torch.zeros(1, GROUP))
    except (AttributeError, RuntimeError) as error:
        why = str(error).splitlines()[0]
        allowed = f"another number format where torch {torch.__version__} cannot multiply them ({why})"
        remedy = "Take the build of full weights with weight_quant=none or nf4."
        raise NotAllowedError("weight_quant", "int4", allowed, remedy) from error


def pack_model(model: nn.Module) -> list[str]:
    """Replaces the linears of stack, depth decoder and main head of a model on a CPU, in place; returns their names.

    Look-up tables become rows of 8-bit integers, as in NF4.

    Raises:
        ValueError: an input width is no multiple of 64, the model has adapters, or as require_kernels().
    """
    require_no_adapters(model)
    require_kernels()
    config = NF4Config()
    chosen = chosen_linears(model, config)
    for name, linear in chosen:
        replace_module(model, name, Int4Linear(linear))
    hold_the_rest(model, config.tables)
    return [name for name, _ in chosen]
