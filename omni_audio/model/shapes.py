"""Shapes: those of what is fed are checked; in training there are few, as rows are filled up to a multiple.

Matrix libraries may make or tune a kernel for each shape they meet. Batches of sentences have a new shape in every
step; on two CPU cores a step of the nano network took 0.48 s with free shapes and 0.34 s with few.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from omni_audio.checks import require

TRAINING_MULTIPLE = 64


def rounded_places(chosen: Tensor, multiple: int) -> tuple[Tensor, Tensor]:
    """Flat places where `chosen` is true, filled up with place 0 to a multiple.

    Args:
        chosen: bool, any shape.
        multiple: at least 1; 1 adds nothing.

    Returns:
        Places (M,) int64, and (M,) bool: which of them are real.
    """
    places_M = chosen.flatten().nonzero()[:, 0]
    num_real = places_M.shape[0]
    places_M = F.pad(places_M, (0, -num_real % multiple))
    return places_M, torch.arange(places_M.shape[0], device=places_M.device) < num_real


def check_fed(
    ids_BT: Tensor, codes_BTK: Tensor, chunk_BT: Tensor, pinned_BT: Tensor, num_codebooks: int
) -> None:
    """Checks the tensors of positions that a stack is fed; the numbers in them are the caller's (check_sequence).

    Raises:
        ValueError: no positions, or a tensor of another dtype or shape.
    """
    remedy = "Feed what SequenceBuilder makes."
    shape = tuple(ids_BT.shape)
    require(len(shape) == 2, "ids_BT.shape", shape, "rows of positions, (B, T)", remedy)
    require(shape[1] > 0, "ids_BT.shape[1]", 0, "at least one position", "Feed something.")
    for name, tensor, dtype, expected in (
        ("ids_BT", ids_BT, torch.int64, shape),
        ("codes_BTK", codes_BTK, torch.int64, (*shape, num_codebooks)),
        ("chunk_BT", chunk_BT, torch.int64, shape),
        ("pinned_BT", pinned_BT, torch.bool, shape),
    ):
        require(tensor.dtype is dtype, f"{name}.dtype", tensor.dtype, f"{dtype}", remedy)
        require(tuple(tensor.shape) == expected, f"{name}.shape", tuple(tensor.shape), f"{expected}", remedy)


def check_slots(slots: Tensor, num_rows: int, num_slots: int) -> None:
    """Checks that the slots of a cache are there, and one for each row.

    Raises:
        ValueError: they are not.
    """
    numbers = slots.tolist()
    are_apart = len(set(numbers)) == len(numbers) == num_rows
    require(are_apart, "slots", numbers, f"{num_rows} different slots", "Name each slot once.")
    are_there = min(numbers) >= 0 and max(numbers) < num_slots
    require(are_there, "slots", numbers, f"0 to {num_slots - 1}", "Use slots of this cache.")
