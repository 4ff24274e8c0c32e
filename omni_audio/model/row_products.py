"""Products of few rows with large matrices, written so that torch.compile makes one fused loop over the weights.

A product of one row reads each weight once: it is as fast as memory, not as arithmetic. On a CPU the loop that inductor
makes of `(x * weight).sum(-1)` reads faster than the matrix products that torch calls for one row, and the norms and
activations around it become part of it (experiments/LOG.md).
"""

import copy
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)

MOST_ROWS = 2
"""More rows would read the weights again and again: they are multiplied as matrices."""


def row_product(x_XI: Tensor, weight_OI: Tensor) -> Tensor:
    """(..., in) times (out, in) -> (..., out)."""
    if x_XI.numel() > MOST_ROWS * x_XI.shape[-1]:
        return F.linear(x_XI, weight_OI)
    return (x_XI[..., None, :] * weight_OI).sum(-1)


class RowLinear(nn.Module):
    """A linear over the weights of another one, which it shares."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x_XI: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        made_XO = row_product(x_XI, self.weight)
        return made_XO if self.bias is None else made_XO + self.bias


def sharing_copy(model: Module) -> Module:
    """The same modules again over the same parameters and buffers; their plain linears become `RowLinear`s."""
    memo = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    copied = copy.deepcopy(model, memo)
    for module in list(copied.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, RowLinear(child))
    return copied
