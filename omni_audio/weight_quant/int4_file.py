"""Layers of 4-bit integers in a file, in a form that no processor or version of torch decides.

For each layer the file holds the codes 0 to 15 of the weights (out, in), two a byte, the even input in the low half,
and the scales and zeros (out, in / 64) of their groups in bfloat16. torch's own packing is made of them while loading.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from omni_audio.weight_quant.config import Int4Config, NF4Config
from omni_audio.weight_quant.int4 import Int4Codes, Int4Linear, require_kernels
from omni_audio.weight_quant.packed import read_tensor
from omni_audio.weight_quant.stored import StoredTensor

SCALES, ZEROS = "scales", "zeros"
"""Behind the name of a packed weight."""


def two_a_byte(codes_OI: Tensor) -> Tensor:
    """Codes 0 to 15 (out, in) as bytes (out, in / 2)."""
    return codes_OI[:, 0::2] | (codes_OI[:, 1::2] << 4)


def one_a_byte(bytes_OH: Tensor) -> Tensor:
    """What two_a_byte() was given."""
    return torch.stack([bytes_OH & 15, bytes_OH >> 4], -1).flatten(1)


class Int4File:
    """A PackedFile of packed integers."""

    format = "omni-audio int4 1"

    def __init__(self, config: Int4Config) -> None:
        self.config, self.choice = config, NF4Config()

    def tensors(self, name: str, linear: nn.Linear) -> dict[str, Tensor]:
        """Codes, scales and zeros of the linear's weight."""
        of = Int4Codes.of(linear.weight.detach(), self.config.group)
        return {
            f"{name}.weight": two_a_byte(of.codes_OI),
            f"{name}.weight.{SCALES}": of.scales_OG,
            f"{name}.weight.{ZEROS}": of.zeros_OG,
        }

    def expected(self, name: str, linear: nn.Linear) -> dict[str, StoredTensor]:
        """Dtypes and shapes of these."""
        groups = StoredTensor("BF16", (linear.out_features, linear.in_features // self.config.group))
        return {
            f"{name}.weight": StoredTensor("U8", (linear.out_features, linear.in_features // 2)),
            f"{name}.weight.{SCALES}": groups,
            f"{name}.weight.{ZEROS}": groups,
        }

    def shared(self, path: Path) -> dict[str, Tensor]:
        """Nothing: each layer stands for itself.

        Raises:
            ValueError: this torch has no product for such weights on this processor; `path` is not read.
        """
        require_kernels()
        return {}

    def layer(self, name: str, linear: nn.Linear, path: Path, shared: dict[str, Tensor]) -> nn.Module:
        """The layer with its weight packed as torch reads it here."""
        codes_OI = one_a_byte(read_tensor(path, f"{name}.weight"))
        scales_OG, zeros_OG = (read_tensor(path, f"{name}.weight.{part}") for part in (SCALES, ZEROS))
        return Int4Linear(linear, Int4Codes(codes_OI, scales_OG, zeros_OG)).train(linear.training)
