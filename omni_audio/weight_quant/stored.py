"""What a safetensors file holds, read from its header: no tensor is loaded."""

import math
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from omni_audio.checks import require_file, unreadable

NUM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F16": 2, "BF16": 2, "I16": 2, "F32": 4, "I32": 4, "F64": 8, "I64": 8,
}  # fmt: skip
"""Of one value, by safetensors' name of the dtype."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a file: safetensors' name of its dtype, and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def num_values(self) -> int:
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        return self.num_values * NUM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The tensors of a file by name, and the words that stand beside them."""

    tensors: dict[str, StoredTensor]
    facts: dict[str, str]


def stored_file(path: Path) -> StoredFile:
    """What the header of a safetensors file tells.

    Raises:
        ValueError: there is no such file, it is cut short or of another kind, or holds a dtype that no build has.
    """
    require_file("weights", path)
    tensors = {}
    try:
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118, it is no dict
                part = file.get_slice(name)
                tensors[name] = StoredTensor(str(part.get_dtype()), tuple(part.get_shape()))
            facts = file.metadata() or {}
    except SafetensorError as error:
        raise unreadable(path, str(error)) from error
    unknown = sorted({tensor.dtype for tensor in tensors.values()} - NUM_BYTES.keys())
    if unknown:
        raise unreadable(path, f"it holds {', '.join(unknown)}")
    return StoredFile(tensors, facts)
