"""NF4 layers in a file, as bitsandbytes packed them.

For each layer the file holds the codes (two a byte), the maxima of blocks of 64 weights and, with double quantisation,
the scales of 256 of these maxima and their mean; the values of the codes stand once for all layers.
Source: QLoRA (Dettmers et al. 2023, section 3).
"""

from pathlib import Path
from typing import Any

import torch
from bitsandbytes.functional import QuantState, get_4bit_type
from torch import Tensor, nn

from omni_audio.checks import unreadable
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.nf4 import empty_layer, make_weight, to_nf4
from omni_audio.weight_quant.packed import read_tensor
from omni_audio.weight_quant.reference import BLOCK
from omni_audio.weight_quant.stored import StoredTensor

MAXIMA_BLOCK = 256
"""Block maxima that share a scale in bitsandbytes' double quantisation."""

CODE_VALUES, MAXIMA_VALUES = "nf4_values", "nf4_maxima_values"
MAXIMA, SCALES, MEAN = "absmax", "nested_absmax", "nested_offset"
"""Behind the name of a packed weight, as bitsandbytes calls them."""


class NF4File:
    """A PackedFile of NF4 layers."""

    format = "omni-audio nf4 3"

    def __init__(self, config: NF4Config) -> None:
        self.config = self.choice = config

    def tensors(self, name: str, linear: nn.Linear) -> dict[str, Tensor]:
        """What bitsandbytes makes of the linear's weight."""
        weight: Any = to_nf4(linear, self.config.double_quant).weight
        state: Any = weight.quant_state
        found = {
            f"{name}.weight": weight.data,
            f"{name}.weight.{MAXIMA}": state.absmax,
            CODE_VALUES: state.code,
        }
        if self.config.double_quant:
            found[f"{name}.weight.{SCALES}"] = state.state2.absmax
            found[f"{name}.weight.{MEAN}"] = state.offset
            found[MAXIMA_VALUES] = state.state2.code
        return found

    def expected(self, name: str, linear: nn.Linear) -> dict[str, StoredTensor]:
        """Dtypes and shapes of these."""
        num_weights = linear.in_features * linear.out_features
        num_blocks, is_double = num_weights // BLOCK, self.config.double_quant
        found = {
            CODE_VALUES: StoredTensor("F32", (16,)),
            f"{name}.weight": StoredTensor("U8", (num_weights // 2, 1)),
            f"{name}.weight.{MAXIMA}": StoredTensor("U8" if is_double else "F32", (num_blocks,)),
        }
        if is_double:
            found[MAXIMA_VALUES] = StoredTensor("F32", (256,))
            found[f"{name}.weight.{SCALES}"] = StoredTensor("F32", (-(-num_blocks // MAXIMA_BLOCK),))
            found[f"{name}.weight.{MEAN}"] = StoredTensor("F32", ())
        return found

    def shared(self, path: Path) -> dict[str, Tensor]:
        """The values of the codes, and of double quantisation's.

        Raises:
            ValueError: they are not those of NF4.
        """
        values = {CODE_VALUES: read_tensor(path, CODE_VALUES)}
        if not torch.equal(values[CODE_VALUES], get_4bit_type("nf4", device="cpu")):
            raise unreadable(path, f"its {CODE_VALUES} are not those of NF4")
        if self.config.double_quant:
            values[MAXIMA_VALUES] = read_tensor(path, MAXIMA_VALUES)
        return values

    def layer(self, name: str, linear: nn.Linear, path: Path, shared: dict[str, Tensor]) -> nn.Module:
        """The layer with its weight as bitsandbytes holds it after packing."""
        made: Any = empty_layer(linear, self.config.double_quant)
        name, nested = f"{name}.weight", None
        if self.config.double_quant:
            nested = QuantState(
                absmax=read_tensor(path, f"{name}.{SCALES}"),
                code=shared[MAXIMA_VALUES],
                blocksize=MAXIMA_BLOCK,
                dtype=torch.float32,
            )
        state = QuantState(
            absmax=read_tensor(path, f"{name}.{MAXIMA}"),
            shape=torch.Size((linear.out_features, linear.in_features)),
            code=shared[CODE_VALUES],
            blocksize=BLOCK,
            quant_type="nf4",
            dtype=torch.float32,
            offset=None if nested is None else read_tensor(path, f"{name}.{MEAN}"),
            state2=nested,
        )
        made.quant_state = state
        is_nested = nested is not None
        made.weight = make_weight(
            read_tensor(path, name), made, is_nested, quant_state=state, bnb_quantized=True
        )
        return made
