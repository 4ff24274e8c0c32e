"""Bytes of weights, counted from the loaded modules rather than from the process."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class WeightBytes:
    """Weights of one or more modules.

    Attributes:
        num_values: floating-point values that are not part of a packed weight.
        packed_bytes: bytes of packed weights with their scales and code tables; 0 in full precision.
        loaded_bytes: bytes of everything as it stands in memory.
    """

    num_values: int
    packed_bytes: int
    loaded_bytes: int

    @property
    def fp16_bytes(self) -> int:
        """Bytes with every value outside packed weights at 16 bit."""
        return self.packed_bytes + 2 * self.num_values

    @property
    def fp32_bytes(self) -> int:
        """Bytes with every value outside packed weights at 32 bit."""
        return self.packed_bytes + 4 * self.num_values


def count_weights(*modules: nn.Module) -> WeightBytes:
    """Counts the state of modules; storage that is shared (tied weights) counts once.

    A uint8 tensor is a packed weight; entries named under it (`weight.absmax`, ...) are its scales. Buffers that a
    module rebuilds (windows, rotary tables) are not in its state dict and not counted.
    """
    seen: set[tuple[int, int]] = set()
    num_values = packed_bytes = loaded_bytes = 0
    states = [module.state_dict(keep_vars=True) for module in modules]  # all alive: no address is used twice
    for state in states:
        tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
        packed = {name for name, tensor in tensors.items() if tensor.dtype == torch.uint8}
        for name, tensor in tensors.items():
            place = (tensor.data_ptr(), tensor.numel())
            if tensor.numel() == 0 or place in seen:
                continue
            seen.add(place)
            num_bytes = tensor.numel() * tensor.element_size()
            loaded_bytes += num_bytes
            if name in packed or any(name.startswith(f"{weight}.") for weight in packed):
                packed_bytes += num_bytes
            elif tensor.is_floating_point():
                num_values += tensor.numel()
            else:
                packed_bytes += num_bytes  # integers keep their width
    return WeightBytes(num_values, packed_bytes, loaded_bytes)


def saving_percent(smaller_bytes: int, larger_bytes: int) -> float:
    """How far `smaller_bytes` lies below `larger_bytes`, in percent of the latter; negative where it lies above."""
    return 100.0 * (1.0 - smaller_bytes / larger_bytes)
