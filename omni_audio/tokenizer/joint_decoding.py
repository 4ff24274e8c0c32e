"""The next frame of many streams through the vocoder in one pass: their states are joined by rows and split again."""

from collections.abc import Sequence

import torch
from torch import Tensor

from omni_audio.checks import require
from omni_audio.tokenizer.causal import StackState
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.tokenizer.vocoder import VocoderState


def decode_together(
    tokenizer: AudioTokenizer, codes: Sequence[Tensor], states: Sequence[VocoderState]
) -> list[tuple[Tensor, VocoderState]]:
    """One frame of each stream; the streams may be at different places, first frames among them.

    Args:
        tokenizer: in evaluation mode.
        codes: (K',) acoustic codes of a frame, one tensor a stream, with the same K' coarse codebooks kept.
        states: of the streams, one row each; they stay as they are.

    Returns:
        For each stream what decode_stream() gives for it alone, to the rounding of matrix products of another batch
        size: the samples (1, S) that are complete, in the CPU's memory, and the new state. They share no memory with
        those of the other streams.

    Raises:
        ValueError: another number of states than of codes, too many codebooks, or a code out of range.
    """
    remedy = "Give each stream its state."
    require(len(states) == len(codes), "len(states)", len(states), f"{len(codes)}, one a stream", remedy)
    if not codes:
        return []
    pcm_BS, joined = tokenizer.decode_stream(torch.stack(list(codes))[:, None], _joined(states))
    overlap = tokenizer.config.vocoder.overlap_samples
    return [
        (row_BS[:, overlap if state.is_first else 0 :], new_state)
        for row_BS, state, new_state in zip(_tensor_rows(pcm_BS.cpu()), states, _rows(joined), strict=True)
    ]


def _joined(states: Sequence[VocoderState]) -> VocoderState:
    """All as rows of one that has given out sound, so that no row is cut: before a first frame lies silence."""
    frame_blocks = _joined_stacks([state.frame_blocks for state in states])
    blocks = _joined_stacks([state.blocks for state in states])
    return VocoderState(frame_blocks, blocks, torch.cat([state.tail_BS for state in states]), False)


def _joined_stacks(stacks: Sequence[StackState]) -> StackState:
    return StackState([torch.cat(rows) for rows in zip(*(stack.buffers for stack in stacks), strict=True)])


def _rows(state: VocoderState) -> list[VocoderState]:
    """Each row as a state of its own."""
    rows = zip(
        _stack_rows(state.frame_blocks), _stack_rows(state.blocks), _tensor_rows(state.tail_BS), strict=True
    )
    return [VocoderState(*row, state.is_first) for row in rows]


def _stack_rows(stack: StackState) -> list[StackState]:
    return [StackState(list(row)) for row in zip(*map(_tensor_rows, stack.buffers), strict=True)]


def _tensor_rows(values: Tensor) -> list[Tensor]:
    """Copies, (1, ...) each: a view of one row would keep the others in memory."""
    return [row.clone() for row in values.split(1)]
