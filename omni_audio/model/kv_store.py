"""How a ring cache keeps its numbers: as they are, or as 8-bit integers with one scale a vector.

A store holds keys or values of one layer, (slots, N, L, H), or of all layers, (layers, slots, N, L, H).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import torch
from torch import Tensor

from omni_audio.model.rotary import rotate


class KVFormat(Enum):
    """float32: as computed. int8: the integers nearest to each vector (H,), scaled so that its largest becomes 127."""

    float32 = "float32"
    int8 = "int8"

    def empty(self, shape: tuple[int, ...], device: torch.device | None) -> "KVStore":
        """A store of zeros."""
        if self is KVFormat.float32:
            return FullStore(torch.zeros(shape, device=device))
        scales = torch.zeros((*shape[:-1], 1), device=device)
        return Int8Store(torch.zeros(shape, dtype=torch.int8, device=device), scales)


class KVStore(Protocol):
    """What the cache asks of its numbers."""

    numbers: Tensor

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The tensors that it consists of, all alike but for their last width; see parted() and whole()."""
        ...

    def layers(self) -> "list[KVStore]":
        """The store of each layer; they share their memory with this one."""
        ...

    def read(self, slots: Tensor | slice, used: int) -> Tensor:
        """The first `used` places of these slots of a layer, (B, N, used, H)."""
        ...

    def write(self, rows_J: Tensor, vectors_JH: Tensor) -> None:
        """Puts vectors into J different rows of a layer, which is counted as (slots * N * L, H)."""
        ...

    def clear(self, slot: int) -> None:
        """Zeros in all layers of a slot."""
        ...

    def turn(self, slot: int, begin: int, turns: Tensor) -> None:
        """Turns what lies in the places from `begin` on, in all layers of a slot."""
        ...

    @property
    def num_bytes(self) -> int:
        """Memory that it takes."""
        ...


@dataclass(slots=True)
class FullStore:
    """Numbers as they are."""

    numbers: Tensor

    @property
    def parts(self) -> tuple[Tensor, ...]:
        return (self.numbers,)

    def layers(self) -> list[KVStore]:
        return [FullStore(numbers) for numbers in self.numbers]

    def read(self, slots: Tensor | slice, used: int) -> Tensor:
        return self.numbers[slots, :, :used]

    def write(self, rows_J: Tensor, vectors_JH: Tensor) -> None:
        _put(self.numbers, rows_J, vectors_JH.to(self.numbers.dtype))

    def clear(self, slot: int) -> None:
        self.numbers[:, slot] = 0

    def turn(self, slot: int, begin: int, turns: Tensor) -> None:
        ring = self.numbers[:, slot, :, begin:]
        ring.copy_(rotate(ring, turns))

    @property
    def num_bytes(self) -> int:
        return self.numbers.nbytes


@dataclass(slots=True)
class Int8Store:
    """Integers and the scale of each vector; turning rounds once more, which a stream does once in a window."""

    numbers: Tensor
    scales: Tensor

    @property
    def parts(self) -> tuple[Tensor, ...]:
        return self.numbers, self.scales

    def layers(self) -> list[KVStore]:
        return [Int8Store(numbers, scales) for numbers, scales in zip(self.numbers, self.scales, strict=True)]

    def read(self, slots: Tensor | slice, used: int) -> Tensor:
        return self.numbers[slots, :, :used] * self.scales[slots, :, :used]

    def write(self, rows_J: Tensor, vectors_JH: Tensor) -> None:
        numbers_JH, scales_J1 = _rounded(vectors_JH)
        _put(self.numbers, rows_J, numbers_JH)
        _put(self.scales, rows_J, scales_J1)

    def clear(self, slot: int) -> None:
        self.numbers[:, slot] = 0
        self.scales[:, slot] = 0

    def turn(self, slot: int, begin: int, turns: Tensor) -> None:
        ring = self.numbers[:, slot, :, begin:] * self.scales[:, slot, :, begin:]
        self.numbers[:, slot, :, begin:], self.scales[:, slot, :, begin:] = _rounded(rotate(ring, turns))

    @property
    def num_bytes(self) -> int:
        return self.numbers.nbytes + self.scales.nbytes


def parted(vectors: Tensor, num_parts: int) -> tuple[Tensor, ...]:
    """What a store of so many parts keeps of vectors (..., H)."""
    return (vectors,) if num_parts == 1 else _rounded(vectors)


def whole(parts: tuple[Tensor, ...]) -> Tensor:
    """The vectors (..., H) that a store keeps as these parts."""
    return parts[0] if len(parts) == 1 else parts[0] * parts[1]


def _put(layer: Tensor, rows_J: Tensor, vectors_JH: Tensor) -> None:
    layer.view(-1, layer.shape[-1]).index_copy_(0, rows_J, vectors_JH)


def _rounded(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Integers (..., H) and scales (..., 1) of vectors (..., H)."""
    scales = vectors.float().abs().amax(-1, keepdim=True) / 127
    numbers = (vectors.float() / scales.clamp_min(1e-20)).round().to(torch.int8)
    return numbers, scales
