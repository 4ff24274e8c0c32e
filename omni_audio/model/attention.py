"""Attention: one description of who sees whom, several backends behind one function.

Shapes: q (B, N, T, H), k and v (B, N, L, H), mask (B, T, L) bool, true = may attend.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from omni_audio.checks import require

if TYPE_CHECKING:  # it takes a quarter of a second to import, and few ask for it
    from torch.nn.attention.flex_attention import BlockMask


class AttentionBackend(Enum):
    """naive: written out, the reference; sdpa: torch's fused kernel; flex: blocks that nobody may see are skipped.

    flex is compiled on a GPU and trains there alone. It takes `BlockMask`s: of the stack where many positions are fed
    at once. Single positions, and the short rows of the depth decoder, have no blocks to skip: they go through sdpa.
    """

    NAIVE = "naive"
    SDPA = "sdpa"
    FLEX = "flex"


@dataclass(slots=True)
class Places:
    """What the mask needs to know of positions, each (B, T).

    Place in the document, document number (-1: nothing there), encoder chunk (-1: decoder mode), pinned.
    """

    position_BT: Tensor
    document_BT: Tensor
    chunk_BT: Tensor
    pinned_BT: Tensor

    def at(self, *index: Tensor | slice | None) -> "Places":
        """Every field at this index."""
        return Places(
            self.position_BT[index], self.document_BT[index], self.chunk_BT[index], self.pinned_BT[index]
        )

    def joined(self, other: "Places") -> "Places":
        """These places followed by the others along T."""
        return Places(
            torch.cat([self.position_BT, other.position_BT], 1),
            torch.cat([self.document_BT, other.document_BT], 1),
            torch.cat([self.chunk_BT, other.chunk_BT], 1),
            torch.cat([self.pinned_BT, other.pinned_BT], 1),
        )


def may_see(query: Places, key: Places, window: int) -> Tensor:
    """Whether queries may attend to keys, bool: the one description that every backend's mask is made of.

    Same document, and not the future or of the same encoder chunk, and inside the window of `window` positions (the
    query's own included) or pinned. The fields of both may have any shapes that broadcast to each other.
    """
    distance = query.position_BT - key.position_BT
    same_document = (query.document_BT == key.document_BT) & (key.document_BT >= 0)
    same_chunk = (query.chunk_BT == key.chunk_BT) & (key.chunk_BT >= 0)
    near = (distance < window) | key.pinned_BT
    return same_document & ((distance >= 0) | same_chunk) & near


def visible(query: Places, key: Places, window: int) -> Tensor:
    """The mask (B, T, L) of what each query may attend to, from `may_see`.

    A query that would see nothing sees everything, so that its softmax is defined.
    """
    mask = may_see(query.at(slice(None), slice(None), None), key.at(slice(None), None), window)
    return mask | ~mask.any(-1, keepdim=True)


def visible_blocks(query: Places, key: Places, window: int) -> "BlockMask":
    """The same mask for flex: blocks of 128 x 128 that hold something, (B, 1, T, L). Who would see nothing gets 0."""
    from torch.nn.attention.flex_attention import create_block_mask

    def seen(row: Tensor, head: Tensor, at: Tensor, key_at: Tensor) -> Tensor:
        return may_see(query.at(row, at), key.at(row, key_at), window)

    (num_rows, length), num_keys = query.position_BT.shape, key.position_BT.shape[1]
    return create_block_mask(seen, num_rows, None, length, num_keys, device=query.position_BT.device)


def pinned_bias(q: Tensor, q_to_pinned: Tensor, k: Tensor, pinned_BL: Tensor) -> Tensor:
    """What to add to the scores, (B, N, T, L), so that pinned keys meet `q_to_pinned` and all others `q`.

    Both are the same queries (B, N, T, H), turned to other positions. Where they are equal it is exactly 0.
    """
    pinned_C = pinned_BL.any(0).nonzero()[:, 0]  # few: they are computed, the others stay 0
    k_BNCH = k.float().index_select(2, pinned_C)
    change = (q_to_pinned.float() - q.float()) @ k_BNCH.transpose(-1, -2) / math.sqrt(q.shape[-1])
    change = change.masked_fill(~pinned_BL[:, None, None, pinned_C], 0.0)
    return change.new_zeros(*q.shape[:3], k.shape[2]).index_copy_(3, pinned_C, change)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: "Tensor | BlockMask | None",
    backend: AttentionBackend,
    bias: Tensor | None = None,
) -> Tensor:
    """Softmax attention, (B, N, T, H); `bias` (B, N, T, L) is added to the scaled scores. No mask: all see all.

    Raises:
        ValueError: shapes that do not fit, or flex that shall train without a GPU.
    """
    if mask is not None and not isinstance(mask, Tensor):
        return _flex(q, k, v, mask, bias)
    if mask is not None and mask.shape != (q.shape[0], q.shape[2], k.shape[2]):
        raise ValueError(
            f"mask.shape = {tuple(mask.shape)} is not allowed: expected {(q.shape[0], q.shape[2], k.shape[2])} for "
            f"q {tuple(q.shape)} and k {tuple(k.shape)}. Build it with visible()."
        )
    if backend is AttentionBackend.NAIVE:
        scores = (q @ k.transpose(-1, -2)).float() / math.sqrt(q.shape[-1])
        if bias is not None:
            scores = scores + bias
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], float("-inf"))
        return scores.softmax(-1).to(v.dtype) @ v
    allowed = bias if mask is None else mask[:, None]
    if mask is not None and bias is not None:
        allowed = bias.masked_fill(~mask[:, None], float("-inf")).to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)


def _flex(q: Tensor, k: Tensor, v: Tensor, mask: "BlockMask", bias: Tensor | None) -> Tensor:
    from torch.nn.attention.flex_attention import flex_attention

    require(
        q.is_cuda or not (torch.is_grad_enabled() and q.requires_grad),
        "model.attention",
        "FLEX",
        "SDPA or NAIVE to train without a GPU: FlexAttention has no backward pass there",
        "Set model.attention=SDPA.",
    )

    def with_bias(score: Tensor, row: Tensor, head: Tensor, at: Tensor, key_at: Tensor) -> Tensor:
        return score if bias is None else score + bias[row, head, at, key_at]

    run = _compiled_flex() if q.is_cuda else flex_attention
    return run(q, k, v, score_mod=None if bias is None else with_bias, block_mask=mask)


@functools.cache
def _compiled_flex() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=True)
