"""Rotary position embedding.

Source: RoFormer (Su et al. 2021, section 3.2.2): neighbouring numbers of a head form one complex number, turned by an
angle that grows with the position. Only differences of positions count, which is what endless streams rest on.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(slots=True)
class Turns:
    """How the positions of one pass are turned.

    Attributes:
        own: of each position, as its neighbours in the window see it, (B, 1, T, H / 2).
        to_pinned: of queries as they meet pinned keys, of the same shape; None where it is `own` for all of them.
        pinned_BL: which keys are pinned, the cached ones first; used with `to_pinned`.
    """

    own: Tensor
    to_pinned: Tensor | None = None
    pinned_BL: Tensor | None = None


def rotary_angles(position_X: Tensor, head_width: int, base: float) -> Tensor:
    """Angles (..., H / 2) of the positions."""
    exponent_H = torch.arange(0, head_width, 2, device=position_X.device, dtype=torch.float32) / head_width
    return position_X[..., None].float() * base**-exponent_H


def rotary_turns(position_BT: Tensor, head_width: int, base: float) -> Tensor:
    """Unit complex numbers (B, 1, T, H / 2) of the positions."""
    angle_BTH = rotary_angles(position_BT, head_width, base)
    return torch.polar(torch.ones_like(angle_BTH), angle_BTH)[:, None]


def rotate(x_BNTH: Tensor, turns: Tensor) -> Tensor:
    """Turns each pair (2i, 2i + 1) of the last axis by its angle; keeps the dtype. More axes may stand in front."""
    if torch.compiler.is_compiling():  # which cannot fuse complex numbers
        return rotate_real(x_BNTH, *torch.view_as_real(turns).unbind(-1))
    pairs = x_BNTH.float().unflatten(-1, (-1, 2))
    turned = torch.view_as_real(torch.view_as_complex(pairs) * turns)
    return turned.flatten(-2).to(x_BNTH.dtype)


def rotate_real(x_XH: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """As rotate(), by the cosines and sines (..., H / 2) of the angles."""
    real, imaginary = x_XH.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([real * cosine - imaginary * sine, real * sine + imaginary * cosine], -1)
    return turned.flatten(-2).to(x_XH.dtype)
