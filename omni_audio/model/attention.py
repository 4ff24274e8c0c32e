"""Attention: one description of who sees whom, several backends behind one function.

Shapes: q (B, N, T, H), k and v (B, N, L, H), mask (B, T, L) bool, true = may attend.
"""

import math
from dataclasses import dataclass
from enum import Enum

import torch
import torch.nn.functional as F
from torch import Tensor


class AttentionBackend(Enum):
    """naive: written out, the reference; sdpa: torch's fused kernel."""

    NAIVE = "naive"
    SDPA = "sdpa"


@dataclass(slots=True)
class Places:
    """What the mask needs to know of positions, each (B, T).

    Place in the document, document number (-1: nothing there), encoder chunk (-1: decoder mode), pinned.
    """

    position_BT: Tensor
    document_BT: Tensor
    chunk_BT: Tensor
    pinned_BT: Tensor

    def joined(self, other: "Places") -> "Places":
        """These places followed by the others along T."""
        return Places(
            torch.cat([self.position_BT, other.position_BT], 1),
            torch.cat([self.document_BT, other.document_BT], 1),
            torch.cat([self.chunk_BT, other.chunk_BT], 1),
            torch.cat([self.pinned_BT, other.pinned_BT], 1),
        )


def visible(query: Places, key: Places, window: int) -> Tensor:
    """The mask (B, T, L) of what each query may attend to.

    Same document, and not the future or of the same encoder chunk, and inside the window of `window` positions (the
    query's own included) or pinned. A query that would see nothing sees everything, so that its softmax is defined.
    """
    distance = query.position_BT[:, :, None] - key.position_BT[:, None, :]
    same_document = query.document_BT[:, :, None] == key.document_BT[:, None, :]
    real = (key.document_BT >= 0)[:, None, :] & (query.document_BT >= 0)[:, :, None]
    same_chunk = (query.chunk_BT[:, :, None] == key.chunk_BT[:, None, :]) & (key.chunk_BT >= 0)[:, None, :]
    near = (distance < window) | key.pinned_BT[:, None, :]
    mask = same_document & real & ((distance >= 0) | same_chunk) & near
    return mask | ~mask.any(-1, keepdim=True)


def pinned_bias(q: Tensor, q_to_pinned: Tensor, k: Tensor, pinned_BL: Tensor) -> Tensor:
    """What to add to the scores, (B, N, T, L), so that pinned keys meet `q_to_pinned` and all others `q`.

    Both are the same queries (B, N, T, H), turned to other positions. Where they are equal it is exactly 0.
    """
    change = (q_to_pinned.float() - q.float()) @ k.float().transpose(-1, -2) / math.sqrt(q.shape[-1])
    return change.masked_fill(~pinned_BL[:, None, None], 0.0)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    backend: AttentionBackend,
    bias: Tensor | None = None,
) -> Tensor:
    """Softmax attention, (B, N, T, H); `bias` (B, N, T, L) is added to the scaled scores. No mask: all see all.

    Raises:
        ValueError: shapes that do not fit.
    """
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
