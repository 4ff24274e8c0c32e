"""Prefill, decode step and training step of our stack on text positions.

Position 0 of every row is pinned, as <bos> is in every real stream: a query behind `num_places` then meets it by turns
of their own, and the difference is part of the time.
"""

import contextlib
import copy
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from measuring.timing import Way
from measuring.untrained import stack_parameters
from omni_audio.model.attention import AttentionBackend
from omni_audio.model.block import Block
from omni_audio.model.compiled import CompiledSteps
from omni_audio.model.feeding import PREFILL_POSITIONS
from omni_audio.model.kv_cache import KVCache
from omni_audio.model.sequence import NO_CHUNK, NO_CODE, SequenceBatch
from omni_audio.model.transformer import OmniModel
from omni_audio.training.compiling import compile_blocks

OURS = "ours"


def autocast(dtype: torch.dtype) -> AbstractContextManager:
    """bfloat16 products, or nothing."""
    if dtype is torch.bfloat16:
        return torch.autocast("cpu", torch.bfloat16)
    return contextlib.nullcontext()


def _feed(model: OmniModel, ids_BT: Tensor, cache: KVCache, is_start: bool = False) -> Tensor:
    """Text positions to all slots, in the pieces of the Generator; logits (B, V) after the last.

    `is_start`: the slots are empty, and the first position is pinned.
    """
    slots = torch.arange(ids_BT.shape[0])
    hidden_BTD = torch.empty(0)
    for piece_BT in ids_BT.split(PREFILL_POSITIONS, 1):
        none_BT = torch.full_like(piece_BT, NO_CHUNK)
        codes_BTK = torch.full((*piece_BT.shape, model.depth.num_codebooks), NO_CODE)
        pinned_BT = torch.zeros_like(piece_BT, dtype=torch.bool)
        if is_start:
            pinned_BT[:, 0], is_start = True, False
        hidden_BTD = model.advance(piece_BT, codes_BTK, none_BT, pinned_BT, cache, slots)
    return model.head(hidden_BTD[:, -1])


def prefill_way(model: OmniModel, ids_BT: Tensor, dtype: torch.dtype) -> Way:
    """One prompt into an empty slot, as Generator.open reads it, and the logits after it."""
    cache = model.empty_cache(1)

    @torch.no_grad()
    def run() -> None:
        with autocast(dtype):
            _feed(model, ids_BT, cache, is_start=True)

    return Way(OURS, "advance", run, lambda: cache.reset(0))


@torch.no_grad()
def decode_way(
    model: OmniModel, ids_BT: Tensor, num_steps: int, dtype: torch.dtype, name: str = "advance"
) -> Way:
    """Steps of one position for every row behind `ids_BT`; each run begins at the same length."""
    num_rows, length = ids_BT.shape
    cache = model.empty_cache(num_rows)
    with autocast(dtype):
        _feed(model, ids_BT, cache, is_start=True)

    @torch.no_grad()
    def run() -> None:
        with autocast(dtype):
            for _ in range(num_steps):
                _feed(model, ids_BT[:, :1], cache)

    # What lies behind the length is the future of the next run's positions: the mask hides it. In a full ring it took
    # the places of the oldest positions; as many places are looked at as before.
    return Way(OURS, name, run, lambda: cache.length_S.fill_(length), num_steps)


@torch.no_grad()
def compiled_way(model: OmniModel, ids_BT: Tensor, num_steps: int, name: str) -> Way:
    """The same steps as decode_way() in float32, compiled; the work is done here."""
    num_rows, length = ids_BT.shape
    cache, steps = model.empty_cache(num_rows), CompiledSteps(model)
    _feed(model, ids_BT, cache, is_start=True)
    ids, slots = ids_BT[:, 0].tolist(), list(range(num_rows))
    none_BK = torch.full((num_rows, model.depth.num_codebooks), NO_CODE)

    def run() -> None:
        for _ in range(num_steps):
            steps.advance(ids, none_BK, cache, slots)

    run()
    return Way(OURS, name, run, lambda: cache.length_S.fill_(length), num_steps)


def text_batch(ids_BT: Tensor, num_codebooks: int) -> SequenceBatch:
    """Rows of one text document each, every id a target, the first position pinned."""
    none_BT, yes_BT = torch.full_like(ids_BT, NO_CHUNK), torch.ones_like(ids_BT, dtype=torch.bool)
    position_BT = torch.arange(ids_BT.shape[1]).expand_as(ids_BT)
    return SequenceBatch(
        ids_BT=ids_BT,
        codes_BTK=torch.full((*ids_BT.shape, num_codebooks), NO_CODE),
        states_BTS=torch.zeros(*ids_BT.shape, 0),
        chunk_BT=none_BT,
        pinned_BT=position_BT == 0,
        target_BT=yes_BT,
        position_BT=position_BT,
        document_BT=torch.zeros_like(ids_BT),
        heard=[[] for _ in ids_BT],
    )


def _train_step(model: OmniModel, ids_BT: Tensor, dtype: torch.dtype) -> Callable[[], None]:
    """Forward, backward and AdamW of the stack; it must hear no states."""
    optimizer = torch.optim.AdamW(stack_parameters(model), lr=1e-4, fused=True)
    batch = text_batch(ids_BT, model.depth.num_codebooks)

    def run() -> None:
        with autocast(dtype):
            loss = model.losses(batch).text
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


def _train_by(model: OmniModel, backend: AttentionBackend) -> None:
    model.train()
    for block in model.blocks:
        assert isinstance(block, Block)
        block.attention.backend = backend


def train_ways(model: OmniModel, ids_BT: Tensor, dtype: torch.dtype) -> list[Way]:
    """A training step by each attention backend that trains here."""
    run = _train_step(model, ids_BT, dtype)
    return [
        Way(OURS, backend.value, run, lambda backend=backend: _train_by(model, backend))
        for backend in (AttentionBackend.NAIVE, AttentionBackend.SDPA)
    ]


def compiled_train_way(model: OmniModel, ids_BT: Tensor, dtype: torch.dtype) -> Way:
    """The same with blocks that are compiled as in training, naive attention; the work is done here."""
    own = copy.deepcopy(model)
    _train_by(own, AttentionBackend.NAIVE)
    compile_blocks(own)
    run = _train_step(own, ids_BT, dtype)
    run()
    return Way(OURS, "compiled blocks", run)
