"""What one layer of a stack remembers of earlier positions, as its attention asks for it.

Shapes: keys and values (B, N, L, H), those of new positions (B, N, T, H).
"""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from omni_audio.model.kv_store import KVStore


class LayerMemory(Protocol):
    """Takes the keys and values of new positions."""

    def joined(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of all positions, the new ones among them; the mask tells which of them may be seen."""
        ...


@dataclass(slots=True)
class CopiedMemory:
    """A copy of what lies in a cache, which itself stays as it is; the new positions come behind it and are kept."""

    keys: Tensor
    values: Tensor
    new: tuple[Tensor, Tensor] = field(init=False)

    def joined(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self.new = k, v
        return torch.cat([self.keys.to(k.dtype), k], 2), torch.cat([self.values.to(v.dtype), v], 2)


@dataclass(slots=True)
class RingMemory:
    """The cache of a layer, (slots, N, L, H), written in place: one new position of each of B slots.

    `slots` are a slice where they lie side by side; then nothing is copied that stands there as it is read. `rows_J`
    are the rows of the layer, (slots * N * L, H), that the new positions take. The first `used` places are looked at.
    """

    keys: KVStore
    values: KVStore
    slots: slice | Tensor
    rows_J: Tensor
    used: int

    def joined(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self.keys.write(self.rows_J, k.reshape(-1, k.shape[-1]))
        self.values.write(self.rows_J, v.reshape(-1, v.shape[-1]))
        return self.keys.read(self.slots, self.used), self.values.read(self.slots, self.used)


@dataclass(slots=True)
class GrowingMemory:
    """Room for L positions of B rows, filled from the front."""

    keys: Tensor
    values: Tensor
    length: int = 0

    @classmethod
    def empty(cls, like: Tensor, num_heads: int, num_places: int) -> "GrowingMemory":
        """For rows and heads of states (B, T, D)."""
        shape = (like.shape[0], num_heads, num_places, like.shape[-1] // num_heads)
        return cls(like.new_empty(shape), like.new_empty(shape))

    def joined(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        begin, self.length = self.length, self.length + k.shape[2]
        self.keys[:, :, begin : self.length] = k
        self.values[:, :, begin : self.length] = v
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]
