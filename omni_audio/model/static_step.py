"""One decode step of the stack with static shapes and no branch on data, for torch.compile.

It computes what OmniModel.advance does for one decoder position of each row, main head included, over the whole ring
whatever lies in it. Everything that follows from positions is arithmetic on tensors. Attention is written out: with one
query a row the scores are no matrix product, and a compiled loop reads keys and values where they lie.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor, nn

from omni_audio.model.block import Attention, Block
from omni_audio.model.kv_store import parted, whole
from omni_audio.model.rotary import rotary_angles, rotate_real
from omni_audio.model.row_products import sharing_copy
from omni_audio.model.sequence import NO_CHUNK
from omni_audio.model.transformer import OmniModel

Mixer = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Query, key and value of one position a row, (R, N, H) and not turned -> mixed values (R, N, H)."""


class StepAttention(nn.Module):
    """Attention of one position a row over the weights of `attention`; who sees what is the mixer's."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.qkv, self.out, self.num_heads = attention.qkv, attention.out, attention.num_heads

    def forward(self, x_R1D: Tensor, turns: None, mask: None, memory: Mixer) -> Tensor:
        """In the place of Attention.forward; `memory` knows turns and mask."""
        qkv = rearrange(self.qkv(x_R1D), "r 1 (three n h) -> three r n h", three=3, n=self.num_heads)
        return self.out(memory(*qkv).flatten(1))[:, None]


def put_step_attention(blocks: nn.ModuleList) -> None:
    """Gives every block, in place, the attention of one position a row over its own weights."""
    for block in blocks:
        assert isinstance(block, Block)
        block.set_submodule("attention", StepAttention(block.attention))


def turned(x_RNH: Tensor, position_R: Tensor, base: float) -> Tensor:
    """Vectors turned by rotary angles of their positions."""
    angle_R1H = rotary_angles(position_R, x_RNH.shape[-1], base)[:, None]
    return rotate_real(x_RNH, angle_R1H.cos(), angle_R1H.sin())


def mixed(score_RNL: Tensor, own_RN: Tensor, values_RNLH: Tensor, own_value_RNH: Tensor) -> Tensor:
    """Softmax over L scores and that of the position itself, times their values: (R, N, H)."""
    scale = own_value_RNH.shape[-1] ** -0.5
    share_RNL = (torch.cat([score_RNL, own_RN[..., None]], -1) * scale).softmax(-1)
    return (share_RNL[..., :-1, None] * values_RNLH).sum(2) + share_RNL[..., -1:] * own_value_RNH


class StaticStep(nn.Module):
    """The stack and the main head; shares its weights with the model."""

    def __init__(self, model: OmniModel) -> None:
        super().__init__()
        self.config, self.vocabulary = model.config, model.vocabulary
        self.codebook_vectors, self.codebook_spreads = model.codebook_vectors, model.codebook_spreads
        copied = sharing_copy(model)
        self.embed, self.frames, self.blocks = copied.embed, copied.frames, copied.blocks
        self.norm, self.head = copied.norm, copied.head
        put_step_attention(self.blocks)

    def forward(
        self,
        ids_R: Tensor,
        codes_RK: Tensor,
        slots_R: Tensor,
        keys: tuple[Tensor, ...],
        values: tuple[Tensor, ...],
        position_SL: Tensor,
        chunk_SL: Tensor,
        pinned_SL: Tensor,
        length_S: Tensor,
        origin_S: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Feeds one position to each of the slots and writes it into the cache, whose tensors the others are.

        A row may stand there twice: then it is written twice, with the same numbers.

        Returns:
            Hidden states (R, D), normalised, and logits (R, V), float32.
        """
        num_pinned, base = self.config.layout.pinned_positions, self.config.rotary_base
        position_R = length_S[slots_R]
        turned_R = position_R - origin_S[slots_R]
        pinned_from_R = position_R.clamp_max(self.config.num_places - 1)
        lies_RL = position_SL[slots_R]
        distance_RL = position_R[:, None] - lies_RL
        is_pinned_L = torch.arange(lies_RL.shape[1], device=ids_R.device) < num_pinned
        near_RL = (distance_RL < self.config.window) | is_pinned_L
        hidden_RL = ~((lies_RL >= 0) & (distance_RL > 0) & near_RL)
        kept: list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]] = []

        def attended(q_RNH: Tensor, k_RNH: Tensor, v_RNH: Tensor) -> Tensor:
            layer = len(kept)
            own_q_RNH = turned(q_RNH, turned_R, base)
            pinned_q_RNH = turned(q_RNH, pinned_from_R, base)
            kept.append((parted(turned(k_RNH, turned_R, base), len(keys)), parted(v_RNH, len(values))))
            k_RNH, v_RNH = map(whole, kept[-1])
            keys_RNLH = whole(tuple(part[layer][slots_R] for part in keys))
            values_RNLH = whole(tuple(part[layer][slots_R] for part in values))
            q_RNLH = torch.where(is_pinned_L[:, None], pinned_q_RNH[:, :, None], own_q_RNH[:, :, None])
            score_RNL = (q_RNLH * keys_RNLH).sum(-1).masked_fill(hidden_RL[:, None], float("-inf"))
            return mixed(score_RNL, (own_q_RNH * k_RNH).sum(-1), values_RNLH, v_RNH)

        x_R1D = self._entered(ids_R, codes_RK)[:, None]
        for block in self.blocks:
            x_R1D = block(x_R1D, None, None, attended)
        hidden_RD = self.norm(x_R1D)[:, 0]
        where_R = num_pinned + position_R % self.config.window
        layer_L1 = torch.arange(len(kept), device=ids_R.device)[:, None]
        for stored, new in ((keys, [k for k, _ in kept]), (values, [v for _, v in kept])):
            for part, rows in zip(stored, zip(*new, strict=True), strict=True):
                part[layer_L1, slots_R, :, where_R] = torch.stack(rows)
        position_SL[slots_R, where_R] = position_R
        chunk_SL[slots_R, where_R] = NO_CHUNK
        pinned_SL[slots_R, where_R] = False
        length_S[slots_R] = position_R + 1
        return hidden_RD, self.head(hidden_RD).float()

    def _entered(self, ids_R: Tensor, codes_RK: Tensor) -> Tensor:
        """As OmniModel.embed_positions, (R, D): every row goes through the frames' part, which counts for frames."""
        semantic_R = ids_R - self.vocabulary.semantic_start
        frames_RD = self.frames(codes_RK, semantic_R, self.codebook_vectors, self.codebook_spreads)
        return self.embed(ids_R).float() + torch.where(codes_RK[:, :1] >= 0, frames_RD, 0.0)
