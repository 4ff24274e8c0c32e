"""Rotary position embedding.

Source: RoFormer (Su et al. 2021, section 3.2.2), half-split layout.
"""

import torch
from torch import Tensor


def rotary_angles(position_BT: Tensor, head_width: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine, each (B, 1, T, H / 2), of the angles of the positions (float32)."""
    exponent_H = torch.arange(0, head_width, 2, device=position_BT.device, dtype=torch.float32) / head_width
    angle_BTH = position_BT[..., None].float() * base**-exponent_H
    return angle_BTH.cos()[:, None], angle_BTH.sin()[:, None]


def rotate(x_BNTH: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Rotates each pair (i, i + H/2) of the last axis by its angle; keeps the dtype."""
    cos, sin = angles
    first, second = x_BNTH.float().chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1).to(x_BNTH.dtype)
