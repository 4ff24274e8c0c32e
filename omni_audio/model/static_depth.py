"""The steps of the depth decoder with static shapes and no branch on data, for torch.compile.

They compute what DepthDecoder.generate does between two draws. A codebook's own head, and what its vectors add to it,
are one matrix here: both are products with the same state. Memories are values: (layers, R, N, K, H), zeros at first.
"""

import torch
from torch import Tensor, nn

from omni_audio.model.depth import ROTARY_BASE, DepthDecoder
from omni_audio.model.row_products import row_product, sharing_copy
from omni_audio.model.static_step import mixed, put_step_attention, turned
from omni_audio.model.transformer import OmniModel


class StaticDepth(nn.Module):
    """Shares its weights with the model, but for the joined heads: as many numbers as the decoder's heads have."""

    def __init__(self, model: OmniModel) -> None:
        super().__init__()
        depth = model.depth
        assert isinstance(depth, DepthDecoder)
        self.num_codebooks, self.codebook_size = depth.num_codebooks, depth.codebook_size
        self.num_heads = depth.config.num_heads
        copied = sharing_copy(model)
        decoder = copied.depth
        assert isinstance(decoder, DepthDecoder)
        self.semantic_embed, self.enter, self.embed = copied.embed, decoder.enter, decoder.embed
        self.blocks, self.norm = decoder.blocks, decoder.norm
        put_step_attention(self.blocks)
        asked_KCD = model.codebook_vectors @ depth.asked_vectors.detach().transpose(1, 2)
        self.heads_KCD = (depth.heads.detach().transpose(1, 2) + asked_KCD).contiguous()

    def begin(self, hidden_RD: Tensor, ids_R: Tensor, head_CD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States and semantic ids of R frames -> logits (R, C) of the first codebook, keys and values.

        `head_CD` is the first of `heads_KCD`.
        """
        x_RD = self.enter(torch.cat([hidden_RD, self.semantic_embed(ids_R)], -1)).float()
        head_width = x_RD.shape[1] // self.num_heads
        shape = (len(self.blocks), x_RD.shape[0], self.num_heads, self.num_codebooks, head_width)
        stage = torch.zeros((), dtype=torch.long, device=x_RD.device)
        return self._stage(x_RD, stage, head_CD, x_RD.new_zeros(shape), x_RD.new_zeros(shape))

    def go_on(
        self, codes_R: Tensor, stage: Tensor, head_CD: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Codes of codebook `stage` - 1 -> logits (R, C) of codebook `stage`, a number, and both memories with it."""
        x_RD = self.embed(codes_R + (stage - 1) * self.codebook_size).float()
        return self._stage(x_RD, stage, head_CD, keys, values)

    def _stage(
        self, x_RD: Tensor, stage: Tensor, head_CD: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        place_K = torch.arange(self.num_codebooks, device=x_RD.device)
        stage_R = stage.expand(x_RD.shape[0])
        kept: list[tuple[Tensor, Tensor]] = []

        def attended(q_RNH: Tensor, k_RNH: Tensor, v_RNH: Tensor) -> Tensor:
            keys_RNKH, values_RNKH = keys[len(kept)], values[len(kept)]
            q_RNH, k_RNH = turned(q_RNH, stage_R, ROTARY_BASE), turned(k_RNH, stage_R, ROTARY_BASE)
            kept.append((k_RNH, v_RNH))
            score_RNK = (q_RNH[:, :, None] * keys_RNKH).sum(-1).masked_fill(place_K >= stage, float("-inf"))
            return mixed(score_RNK, (q_RNH * k_RNH).sum(-1), values_RNKH, v_RNH)

        x_R1D = x_RD[:, None]
        for block in self.blocks:
            x_R1D = block(x_R1D, None, None, attended)
        logits_RC = row_product(self.norm(x_R1D)[:, 0], head_CD).float()
        is_here_K1 = (place_K == stage)[:, None]
        keys = torch.where(is_here_K1, torch.stack([k for k, _ in kept])[..., None, :], keys)
        values = torch.where(is_here_K1, torch.stack([v for _, v in kept])[..., None, :], values)
        return logits_RC, keys, values
