"""One block of the stack: RMSNorm, rotary attention, SwiGLU. Text and audio pass through the same blocks.

Source: LLaMA (Touvron et al. 2023, section 2.2).
"""

from typing import TYPE_CHECKING

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from omni_audio.model.attention import AttentionBackend, attend, pinned_bias
from omni_audio.model.layer_memory import LayerMemory
from omni_audio.model.rotary import Turns, rotate

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask


class Attention(nn.Module):
    """Multi-head attention over the given and the cached positions."""

    def __init__(self, width: int, num_heads: int, backend: AttentionBackend) -> None:
        super().__init__()
        self.num_heads, self.backend = num_heads, backend
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self,
        x_BTD: Tensor,
        turns: Turns,
        mask_BTL: "Tensor | BlockMask | None",
        memory: LayerMemory | None = None,
    ) -> Tensor:
        """(B, T, D) -> (B, T, D); L positions may be seen: these, and what the memory holds. No mask: all of them."""
        qkv = rearrange(self.qkv(x_BTD), "b t (three n h) -> three b n t h", three=3, n=self.num_heads)
        (q, k), v = rotate(qkv[:2], turns.own), qkv[2]
        if memory is not None:
            k, v = memory.joined(k, v)
        bias = None
        if turns.to_pinned is not None and turns.pinned_BL is not None:
            bias = pinned_bias(q, rotate(qkv[0], turns.to_pinned), k, turns.pinned_BL)
        mixed = attend(q, k, v, mask_BTL, self.backend, bias)
        return self.out(rearrange(mixed, "b n t h -> b t (n h)"))


class SwiGLU(nn.Module):
    """Gated MLP."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    """Pre-norm attention and MLP with residuals."""

    def __init__(
        self, width: int, num_heads: int, mlp_width: int, backend: AttentionBackend, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(width, eps=1e-5)
        self.attention = Attention(width, num_heads, backend)
        self.mlp_norm = nn.RMSNorm(width, eps=1e-5)
        self.mlp = SwiGLU(width, mlp_width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x_BTD: Tensor,
        turns: Turns,
        mask_BTL: "Tensor | BlockMask | None",
        memory: LayerMemory | None = None,
    ) -> Tensor:
        """As Attention.forward."""
        x_BTD = x_BTD + self.dropout(self.attention(self.attention_norm(x_BTD), turns, mask_BTL, memory))
        return x_BTD + self.dropout(self.mlp(self.mlp_norm(x_BTD)))
