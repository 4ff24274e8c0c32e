"""Networks of 4-bit weights as files, and back without the full weights.

What a packed layer looks like in a file is the matter of a PackedFile (nf4_file.py, int4_file.py). Look-up tables are
stored as they are held; the heads of the acoustic codes, which are no linears, are 8-bit rows in the file and floats in
memory; all else is of half precision.
"""

import json
import math
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from omni_audio.checks import require_same_tensors, unreadable
from omni_audio.plain import to_plain
from omni_audio.weight_quant.chosen import AS_ROWS, chosen_linears, replace_module
from omni_audio.weight_quant.config import Int4Config, NF4Config
from omni_audio.weight_quant.int8_rows import SCALE, rounded_rows, whole_rows
from omni_audio.weight_quant.stored import StoredTensor, stored_file
from omni_audio.weight_quant.tables import hold_tables

DTYPES = {
    torch.bool: "BOOL",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.int64: "I64",
}


class PackedFile(Protocol):
    """How the layers of a format lie in a file."""

    @property
    def format(self) -> str:
        """Name and version, which the file repeats."""
        ...

    @property
    def config(self) -> NF4Config | Int4Config:
        """What config.json has and the file repeats."""
        ...

    @property
    def choice(self) -> NF4Config:
        """Which linears are packed, and how tables and tokenizer are stored."""
        ...

    def tensors(self, name: str, linear: nn.Linear) -> dict[str, Tensor]:
        """What the file holds of a linear of this name, by name: its `weight`, and statistics named under that."""
        ...

    def expected(self, name: str, linear: nn.Linear) -> dict[str, StoredTensor]:
        """Dtypes and shapes of these, of a linear that may lie on the meta device."""
        ...

    def shared(self, path: Path) -> dict[str, Tensor]:
        """What all layers of a file share.

        Raises:
            ValueError: it is not what the format has, or the format cannot be used here.
        """
        ...

    def layer(self, name: str, linear: nn.Linear, path: Path, shared: dict[str, Tensor]) -> nn.Module:
        """The packed layer of a linear on the meta device, where its bias stays."""
        ...


def _facts(form: PackedFile) -> dict[str, str]:
    return {
        "format": form.format,
        type(form.config).key: json.dumps(to_plain(form.config), sort_keys=True),
    }


def _stored_dtype(name: str, tensor: Tensor) -> torch.dtype:
    """Of what is not packed: float32 is stored in half precision, as in every build, but for the scales of rows."""
    is_halved = tensor.dtype == torch.float32 and not name.endswith(SCALE)
    return torch.float16 if is_halved else tensor.dtype


def _plain_state(model: nn.Module, chosen: list[tuple[str, nn.Linear]]) -> dict[str, Tensor]:
    """The state besides the weights that are packed, of a model with its linears."""
    packed = {f"{name}.weight" for name, _ in chosen}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in packed}


def save_packed(model: nn.Module, form: PackedFile, path: Path) -> None:
    """Writes the weights of a network of full weights; its look-up tables are held as in the file from then on.

    Raises:
        ValueError: as chosen_linears().
    """
    chosen = chosen_linears(model, form.choice)
    hold_tables(model, form.choice.tables)
    tensors: dict[str, Tensor] = {}
    for name, tensor in _plain_state(model, chosen).items():
        if name in AS_ROWS:
            numbers_RC, tensors[name + SCALE] = rounded_rows(tensor.flatten(0, -2))
            tensors[name] = numbers_RC.view_as(tensor)
        else:
            tensors[name] = tensor.to(_stored_dtype(name, tensor))
    for name, linear in chosen:
        tensors |= form.tensors(name, linear)
    save_file(
        {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, path, metadata=_facts(form)
    )
    path.chmod(0o644)


def expected_tensors(model: nn.Module, form: PackedFile) -> dict[str, StoredTensor]:
    """What the file of a network holds, tables held as `form` says and linears not yet replaced.

    Raises:
        ValueError: as chosen_linears().
    """
    chosen = chosen_linears(model, form.choice)
    plain = _plain_state(model, chosen)
    found = {name: StoredTensor(DTYPES[_stored_dtype(name, t)], tuple(t.shape)) for name, t in plain.items()}
    for name in AS_ROWS:
        shape = tuple(plain[name].shape)
        found |= {
            name: StoredTensor("I8", shape),
            name + SCALE: StoredTensor("F32", (math.prod(shape[:-1]),)),
        }
    for name, linear in chosen:
        found |= form.expected(name, linear)
    return found


def read_tensor(path: Path, name: str, dtype: torch.dtype | None = None) -> Tensor:
    """A copy of one tensor, in its own dtype or this one.

    The file is opened anew for each, so that the pages of those already read do not stay in memory.
    """
    with safe_open(path, framework="pt") as file:
        tensor = file.get_tensor(name)
        return tensor.to(tensor.dtype if dtype is None else dtype, copy=True)


def _set_tensor(model: nn.Module, name: str, tensor: Tensor) -> None:
    """Puts a parameter or buffer where one of the meta device stands."""
    parent, _, leaf = name.rpartition(".")
    module = model.get_submodule(parent)
    own = getattr(module, leaf)
    if isinstance(own, nn.Parameter):
        tensor = nn.Parameter(tensor, requires_grad=own.requires_grad)
    setattr(module, leaf, tensor)


def load_packed(model: nn.Module, form: PackedFile, path: Path) -> None:
    """Fills a network on the meta device from the file that save_packed() wrote; its tensors then lie on the CPU.

    Never more than one layer is there unpacked, and never at full precision. Buffers that no state dict has stay on the
    meta device.

    Raises:
        ValueError: the file cannot be read, is of another format, config or network; the format cannot be used here; or
            as chosen_linears().
    """
    stored = stored_file(path)
    for key, value in _facts(form).items():
        if stored.facts.get(key) != value:
            raise unreadable(path, f"its {key} is {stored.facts.get(key)!r}, config.json wants {value!r}")
    hold_tables(model, form.choice.tables)
    chosen = chosen_linears(model, form.choice)
    plain = _plain_state(model, chosen)
    require_same_tensors(path, stored.tensors, expected_tensors(model, form))
    shared = form.shared(path)
    for name, linear in chosen:
        replace_module(model, name, form.layer(name, linear, path, shared))
    for name, own in plain.items():
        tensor = read_tensor(path, name) if name in AS_ROWS else read_tensor(path, name, own.dtype)
        if name in AS_ROWS:
            scale_R = read_tensor(path, name + SCALE)
            tensor = whole_rows(tensor.flatten(0, -2), scale_R).view(own.shape).to(own.dtype)
        _set_tensor(model, name, tensor)
