"""NF4 in plain torch: the yardstick for the fast kernels.

Source: QLoRA (Dettmers et al. 2023, section 3 and appendix E): blocks of 64 weights share an absolute maximum; each
weight becomes the nearest of 16 quantiles of a normal distribution.
"""

import torch
from torch import Tensor

BLOCK = 64
NF4_VALUES = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


def nf4_round_trip(weight: Tensor) -> Tensor:
    """The weight after NF4 and back, same shape, float32, single quantisation of the block maxima (exact maxima).

    Raises:
        ValueError: the number of weights is no multiple of 64.
    """
    if weight.numel() % BLOCK:
        raise ValueError(
            f"weight.numel() = {weight.numel()} is not allowed: expected a multiple of {BLOCK}. Pad it."
        )
    blocks = weight.float().reshape(-1, BLOCK)
    maxima = blocks.abs().amax(1, keepdim=True)
    values = torch.tensor(NF4_VALUES, device=weight.device)
    codes = (blocks / maxima.clamp_min(1e-12))[..., None].sub(values).abs().argmin(-1)
    return (values[codes] * maxima).reshape(weight.shape)
