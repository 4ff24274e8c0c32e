"""Depth decoder: the acoustic codes of one frame, coarse to fine, given the stack's state and the semantic code.

Source: RQ-Transformer (Lee et al. 2022, section 3.2), as used in Moshi (Défossez et al. 2024, section 3.4.1).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.checks import require, require_positive, require_range
from omni_audio.model.attention import AttentionBackend
from omni_audio.model.block import Block
from omni_audio.model.heads import CodeHeads
from omni_audio.model.layer_memory import GrowingMemory, LayerMemory
from omni_audio.model.rotary import Turns, rotary_turns

ROTARY_BASE = 100.0
"""Of the places of codebooks."""


@dataclass(kw_only=True, slots=True)
class DepthConfig:
    """A small causal transformer over the K codebooks; trained on a share of the frames of each batch.

    `loss_decay`: each codebook weighs so much of the one before it. The first ones carry the words; the last ones are
    near to noise, and most of an unweighted loss.

    Where model.layout.pattern is delay the stack says the codes itself: `num_layers`, `num_heads` and `mlp_width` then
    make nothing, the other settings are those of its heads (DelayHeads).
    """

    width: int = 128
    num_layers: int = 2
    num_heads: int = 4
    mlp_width: int = 384
    train_fraction: float = 0.5
    loss_decay: float = 0.6

    def __post_init__(self) -> None:
        require_positive("model.depth.width", self.width)
        require_positive("model.depth.num_layers", self.num_layers)
        require_range("model.depth.train_fraction", self.train_fraction, 0.01, 1.0)
        require_range("model.depth.loss_decay", self.loss_decay, 0.01, 1.0)
        require(
            self.width % (2 * self.num_heads) == 0,
            "model.depth.num_heads",
            self.num_heads,
            f"half of model.depth.width = {self.width} divisible by it",
            "Change the number of heads.",
        )


class DepthDecoder(CodeHeads):
    """hidden (M, D) and semantic embedding (M, D) of M frames -> K codes each.

    `vectors_KCV` are the tokenizer's codebooks, each of unit variance.
    """

    def __init__(
        self,
        config: DepthConfig,
        model_width: int,
        num_codebooks: int,
        codebook_size: int,
        code_width: int,
        backend: AttentionBackend,
    ) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Linear(2 * model_width, config.width, bias=False)
        self.embed = nn.Embedding((num_codebooks - 1) * codebook_size, config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.num_heads, config.mlp_width, backend) for _ in range(config.num_layers)
        )
        self.norm = nn.RMSNorm(config.width, eps=1e-5)
        self.add_heads(config.width, num_codebooks, codebook_size, code_width)

    def _states(self, hidden_MD: Tensor, semantic_MD: Tensor, codes_MJ: Tensor) -> Tensor:
        """Normalised states (M, J + 1, D) where J codes are given."""
        x_MJD = torch.cat([self._begin(hidden_MD, semantic_MD), self._embedded(codes_MJ)], 1)
        num_places = x_MJD.shape[1]
        place_J = torch.arange(num_places, device=x_MJD.device)
        mask_MJJ = (place_J[:, None] >= place_J)[None].expand(x_MJD.shape[0], -1, -1)
        turns = Turns(self._turns(x_MJD.device)[:, :, :num_places])
        return self._through_blocks(x_MJD, turns, mask_MJJ, [None] * len(self.blocks))

    def _through_blocks(
        self, x_MJD: Tensor, turns: Turns, mask_MJL: Tensor | None, memories: Sequence[LayerMemory | None]
    ) -> Tensor:
        """Normalised states (M, J, D) of J embedded places."""
        for block, memory in zip(self.blocks, memories, strict=True):
            x_MJD = block(x_MJD, turns, mask_MJL, memory)
        return self.norm(x_MJD)

    def _begin(self, hidden_MD: Tensor, semantic_MD: Tensor) -> Tensor:
        """The first place, (M, 1, D)."""
        return self.enter(torch.cat([hidden_MD, semantic_MD], -1))[:, None].float()

    def _embedded(self, codes_MJ: Tensor, first: int = 0) -> Tensor:
        """Codes of the codebooks from number `first` on -> (M, J, D)."""
        stages_J = torch.arange(first, first + codes_MJ.shape[1], device=codes_MJ.device)
        return self.embed(codes_MJ + stages_J * self.codebook_size).float()

    def _turns(self, device: torch.device) -> Tensor:
        """Turns (1, 1, K, H / 2) of all places."""
        place_1K = torch.arange(self.num_codebooks, device=device)[None]
        return rotary_turns(place_1K, self.config.width // self.config.num_heads, ROTARY_BASE)

    def loss(
        self,
        hidden_MD: Tensor,
        semantic_MD: Tensor,
        codes_MK: Tensor,
        counts_M: Tensor,
        vectors_KCV: Tensor,
    ) -> Tensor:
        """Cross-entropy (nats) of the codes (M, K), weighted mean over codebooks, where `counts_M` (M,) is true."""
        codes_MK = codes_MK.clamp_min(0)  # of rows that do not count
        states_MKD = self._states(hidden_MD, semantic_MD, codes_MK[:, :-1])
        logits_MKC = self.logits(states_MKD, vectors_KCV)
        entropy_MK = F.cross_entropy(logits_MKC.flatten(0, 1), codes_MK.flatten(), reduction="none")
        weights_K = self.config.loss_decay ** torch.arange(self.num_codebooks, device=codes_MK.device)
        entropy_M = (entropy_MK.view_as(codes_MK) * weights_K).sum(1) / weights_K.sum()
        return (entropy_M * counts_M).sum() / counts_M.sum().clamp_min(1)

    @torch.no_grad()
    def generate(
        self,
        hidden_MD: Tensor,
        semantic_MD: Tensor,
        vectors_KCV: Tensor,
        choose: Callable[[int, Tensor], Tensor],
    ) -> Tensor:
        """Codes (M, K); `choose` takes the codebook's number and logits (M, codebook_size), and returns codes (M,)."""
        turns = self._turns(hidden_MD.device)
        x_M1D = self._begin(hidden_MD, semantic_MD)
        memories = [
            GrowingMemory.empty(x_M1D, self.config.num_heads, self.num_codebooks) for _ in self.blocks
        ]
        codes: list[Tensor] = []
        for stage in range(self.num_codebooks):
            if codes:
                x_M1D = self._embedded(codes[-1][:, None], stage - 1)
            here = Turns(turns[:, :, stage : stage + 1])
            states_M1D = self._through_blocks(x_M1D, here, None, memories)
            codes.append(choose(stage, self.logits(states_M1D, vectors_KCV, stage)[:, 0]))
        return torch.stack(codes, 1)
