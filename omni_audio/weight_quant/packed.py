"""NF4 networks as files: what bitsandbytes packed, and back without the full weights.

For each NF4 layer the file holds the codes (two a byte), the maxima of blocks of 64 weights and, with double
quantisation, the scales of 256 of these maxima and their mean; the values of the codes stand once for all layers. The
heads of the acoustic codes, which are no linears, are 8-bit rows in the file and floats in memory.
Source: QLoRA (Dettmers et al. 2023, section 3).
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.functional import QuantState, get_4bit_type
from bitsandbytes.nn.modules import Linear4bit
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from omni_audio.checks import require_same_tensors, unreadable
from omni_audio.plain import to_plain
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.int8_rows import SCALE, rounded_rows, whole_rows
from omni_audio.weight_quant.nf4 import (
    AS_ROWS,
    chosen_linears,
    empty_layer,
    make_weight,
    replace_module,
)
from omni_audio.weight_quant.reference import BLOCK
from omni_audio.weight_quant.stored import StoredTensor, stored_file
from omni_audio.weight_quant.tables import hold_tables

FORMAT = "omni-audio nf4 3"
MAXIMA_BLOCK = 256
"""Block maxima that share a scale in bitsandbytes' double quantisation."""

CODE_VALUES, MAXIMA_VALUES = "nf4_values", "nf4_maxima_values"
MAXIMA, SCALES, MEAN = "absmax", "nested_absmax", "nested_offset"
"""Behind the name of a packed weight, as bitsandbytes calls them."""

DTYPES = {
    torch.bool: "BOOL",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.int64: "I64",
}


def _facts(config: NF4Config) -> dict[str, str]:
    return {"format": FORMAT, "nf4": json.dumps(to_plain(config), sort_keys=True)}


def _stored_dtype(name: str, tensor: Tensor) -> torch.dtype:
    """Of what is not packed: float32 is stored in half precision, as in every build, but for the scales of rows."""
    is_halved = tensor.dtype == torch.float32 and not name.endswith(SCALE)
    return torch.float16 if is_halved else tensor.dtype


def _plain_state(model: nn.Module, layers: dict[str, Linear4bit]) -> dict[str, Tensor]:
    """The state besides packed weights and their statistics."""
    packed = tuple(f"{name}.weight" for name in layers)  # and what bitsandbytes names under them
    return {name: t for name, t in model.state_dict().items() if not name.startswith(packed)}


def save_packed(model: nn.Module, config: NF4Config, path: Path) -> None:
    """Writes the weights of a network that quantize_model() made NF4 with this config."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, Linear4bit)}
    tensors: dict[str, Tensor] = {}
    for name, tensor in _plain_state(model, layers).items():
        if name in AS_ROWS:
            numbers_RC, tensors[name + SCALE] = rounded_rows(tensor.flatten(0, -2))
            tensors[name] = numbers_RC.view_as(tensor)
        else:
            tensors[name] = tensor.to(_stored_dtype(name, tensor))
    for name, layer in layers.items():
        weight: Any = layer.weight
        state: Any = weight.quant_state
        tensors[f"{name}.weight"] = weight.data
        tensors[f"{name}.weight.{MAXIMA}"] = state.absmax
        tensors[CODE_VALUES] = state.code
        if config.double_quant:
            tensors[f"{name}.weight.{SCALES}"] = state.state2.absmax
            tensors[f"{name}.weight.{MEAN}"] = state.offset
            tensors[MAXIMA_VALUES] = state.state2.code
    save_file(
        {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, path, metadata=_facts(config)
    )
    path.chmod(0o644)


def _expected(
    layers: dict[str, Linear4bit], plain: dict[str, Tensor], double_quant: bool
) -> dict[str, StoredTensor]:
    """What the file of such a network holds."""
    found = {name: StoredTensor(DTYPES[_stored_dtype(name, t)], tuple(t.shape)) for name, t in plain.items()}
    for name in AS_ROWS:
        shape = tuple(plain[name].shape)
        found |= {
            name: StoredTensor("I8", shape),
            name + SCALE: StoredTensor("F32", (math.prod(shape[:-1]),)),
        }
    found[CODE_VALUES] = StoredTensor("F32", (16,))
    if double_quant:
        found[MAXIMA_VALUES] = StoredTensor("F32", (256,))
    for name, layer in layers.items():
        num_weights = layer.in_features * layer.out_features
        num_blocks = num_weights // BLOCK
        found[f"{name}.weight"] = StoredTensor("U8", (num_weights // 2, 1))
        found[f"{name}.weight.{MAXIMA}"] = StoredTensor("U8" if double_quant else "F32", (num_blocks,))
        if double_quant:
            found[f"{name}.weight.{SCALES}"] = StoredTensor("F32", (-(-num_blocks // MAXIMA_BLOCK),))
            found[f"{name}.weight.{MEAN}"] = StoredTensor("F32", ())
    return found


def _read(path: Path, name: str, dtype: torch.dtype | None = None) -> Tensor:
    """A copy of one tensor, in its own dtype or this one.

    The file is opened anew for each, so that the pages of those already read do not stay in memory.
    """
    with safe_open(path, framework="pt") as file:
        tensor = file.get_tensor(name)
        return tensor.to(tensor.dtype if dtype is None else dtype, copy=True)


def _fill(layer: Any, path: Path, name: str, values: dict[str, Tensor]) -> None:
    """Gives an empty layer its weight `name`, as bitsandbytes holds it after packing."""
    nested = None
    if MAXIMA_VALUES in values:
        nested = QuantState(
            absmax=_read(path, f"{name}.{SCALES}"),
            code=values[MAXIMA_VALUES],
            blocksize=MAXIMA_BLOCK,
            dtype=torch.float32,
        )
    state = QuantState(
        absmax=_read(path, f"{name}.{MAXIMA}"),
        shape=torch.Size((layer.out_features, layer.in_features)),
        code=values[CODE_VALUES],
        blocksize=BLOCK,
        quant_type="nf4",
        dtype=torch.float32,
        offset=None if nested is None else _read(path, f"{name}.{MEAN}"),
        state2=nested,
    )
    layer.quant_state = state
    is_nested = nested is not None
    layer.weight = make_weight(_read(path, name), layer, is_nested, quant_state=state, bnb_quantized=True)


def _set_tensor(model: nn.Module, name: str, tensor: Tensor) -> None:
    """Puts a parameter or buffer where one of the meta device stands."""
    parent, _, leaf = name.rpartition(".")
    module = model.get_submodule(parent)
    own = getattr(module, leaf)
    if isinstance(own, nn.Parameter):
        tensor = nn.Parameter(tensor, requires_grad=own.requires_grad)
    setattr(module, leaf, tensor)


def load_packed(model: nn.Module, config: NF4Config, path: Path) -> None:
    """Fills a network on the meta device from the file that save_packed() wrote; its tensors then lie on the CPU.

    No weight of an NF4 layer is ever there at full precision. Buffers that no state dict has stay on the meta device.

    Raises:
        ValueError: the file cannot be read, is of another format, config or network; or as chosen_linears().
    """
    stored = stored_file(path)
    for key, value in _facts(config).items():
        if stored.facts.get(key) != value:
            raise unreadable(path, f"its {key} is {stored.facts.get(key)!r}, config.json wants {value!r}")
    layers = {}
    for name, linear in chosen_linears(model, config):
        layers[name] = empty_layer(linear, config.double_quant)
        replace_module(model, name, layers[name])
    hold_tables(model, config.tables)
    plain = _plain_state(model, layers)
    require_same_tensors(path, stored.tensors, _expected(layers, plain, config.double_quant))
    values = {name: _read(path, name) for name in (CODE_VALUES, MAXIMA_VALUES) if name in stored.tensors}
    if not torch.equal(values[CODE_VALUES], get_4bit_type("nf4", device="cpu")):
        raise unreadable(path, f"its {CODE_VALUES} are not those of NF4")
    for name, layer in layers.items():
        _fill(layer, path, f"{name}.weight", values)
    for name, own in plain.items():
        tensor = _read(path, name) if name in AS_ROWS else _read(path, name, own.dtype)
        if name in AS_ROWS:
            tensor = (
                whole_rows(tensor.flatten(0, -2), _read(path, name + SCALE)).view(own.shape).to(own.dtype)
            )
        _set_tensor(model, name, tensor)
