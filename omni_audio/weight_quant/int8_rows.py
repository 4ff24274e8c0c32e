"""The tokenizer's large matrices as 8-bit integers with a scale a row: half of the file that half precision takes.

A row's largest weight is 127 steps, so that a weight is off by at most 1/254 of it. Weights that were read from such a
file and are written again come out the same.
"""

from enum import Enum
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from omni_audio.checks import unreadable

LEAST_COLUMNS: Final = 64
"""Narrower matrices would win little."""
SCALE: Final = ".row_scale"
_STEPS: Final = 127


class StoredWeights(Enum):
    """How a build stores its tokenizer."""

    float16 = "float16"
    int8 = "int8"


def rounded_rows(matrix_RC: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix as 8-bit integers (R, C) and scales (R,), float32."""
    rows_RC = matrix_RC.detach().float()
    scale_R = rows_RC.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / _STEPS
    return (rows_RC / scale_R[:, None]).round().to(torch.int8), scale_R


def whole_rows(numbers_RC: Tensor, scale_R: Tensor) -> Tensor:
    """The matrix that these stand for, float32."""
    return numbers_RC.float() * scale_R[:, None]


def pack_rows(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float matrices `NAME.weight` (R, C), C >= 64, become int8; `NAME.weight.row_scale` (R,) float32 stands beside.

    Everything else stays as it is, the codebooks among it.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        is_matrix = name.endswith(".weight") and tensor.dim() == 2 and tensor.is_floating_point()
        if not is_matrix or tensor.shape[1] < LEAST_COLUMNS:
            packed[name] = tensor
            continue
        packed[name], packed[name + SCALE] = rounded_rows(tensor)
    return packed


def unpack_rows(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """What pack_rows() was given, matrices as float32; other tensors as they are.

    Raises:
        ValueError: a matrix of 8-bit integers has no scales, or scales of other rows, or there are scales without such
            a matrix; `path` names the file.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(SCALE):
            matrix = tensors.get(name.removesuffix(SCALE))
            if matrix is None or matrix.dtype != torch.int8:
                raise unreadable(path, f"{name} has no matrix of 8-bit integers")
            continue
        scale_R = tensors.get(name + SCALE)
        if tensor.dtype == torch.int8 and (scale_R is None or scale_R.shape != tensor.shape[:1]):
            raise unreadable(path, f"{name} holds 8-bit integers without one {SCALE} a row")
        found[name] = tensor if scale_R is None else whole_rows(tensor, scale_R)
    return found
