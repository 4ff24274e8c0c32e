"""Rotary position embedding.

Source: RoFormer (Su et al. 2021, section 3.2.2): neighbouring numbers of a head form one complex number, turned by an
angle that grows with the position.
"""

import torch
from torch import Tensor


def rotary_turns(position_BT: Tensor, head_width: int, base: float) -> Tensor:
    """Unit complex numbers (B, 1, T, H / 2) of the positions."""
    exponent_H = torch.arange(0, head_width, 2, device=position_BT.device, dtype=torch.float32) / head_width
    angle_BTH = position_BT[..., None].float() * base**-exponent_H
    return torch.polar(torch.ones_like(angle_BTH), angle_BTH)[:, None]


def rotate(x_BNTH: Tensor, turns: Tensor) -> Tensor:
    """Turns each pair (2i, 2i + 1) of the last axis by its angle; keeps the dtype. More axes may stand in front."""
    pairs = torch.view_as_complex(x_BNTH.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).to(x_BNTH.dtype)
