"""Depth decoder: the acoustic codes of one frame, coarse to fine, given the stack's state and the semantic code.

Source: RQ-Transformer (Lee et al. 2022, section 3.2), as used in Moshi (Défossez et al. 2024, section 3.4.1).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.checks import require, require_positive, require_range
from omni_audio.model.attention import AttentionBackend
from omni_audio.model.block import Block
from omni_audio.model.heads import HeadProduct
from omni_audio.model.rotary import Turns, rotary_turns


@dataclass(kw_only=True, slots=True)
class DepthConfig:
    """A small causal transformer over the K codebooks; trained on a share of the frames of each batch.

    `loss_decay`: each codebook weighs so much of the one before it. The first ones carry the words; the last ones are
    near to noise, and most of an unweighted loss.
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


class DepthDecoder(nn.Module):
    """hidden (M, D) and semantic embedding (M, D) of M frames -> K codes each.

    `vectors_KCV` are the tokenizer's codebooks, each of unit variance. The logit of a code is its own, which begins at
    0, and the product of its vector with the vector that the state asks for.
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
        self.config, self.num_codebooks, self.codebook_size = config, num_codebooks, codebook_size
        self.enter = nn.Linear(2 * model_width, config.width, bias=False)
        self.embed = nn.Embedding((num_codebooks - 1) * codebook_size, config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.num_heads, config.mlp_width, backend) for _ in range(config.num_layers)
        )
        self.norm = nn.RMSNorm(config.width, eps=1e-5)
        self.heads = nn.Parameter(torch.zeros(num_codebooks, config.width, codebook_size))
        self.asked_vectors = nn.Parameter(torch.empty(num_codebooks, config.width, code_width))
        nn.init.normal_(self.asked_vectors, std=0.02)
        self.head_product, self.asked_product = HeadProduct(), HeadProduct()

    def _states(self, hidden_MD: Tensor, semantic_MD: Tensor, codes_MK: Tensor) -> Tensor:
        """Normalised states (M, J + 1, D) after J given codes."""
        first = self.enter(torch.cat([hidden_MD, semantic_MD], -1))[:, None].float()
        given = codes_MK.shape[1]
        offsets_K = torch.arange(given, device=codes_MK.device) * self.codebook_size
        x_MKD = torch.cat([first, self.embed(codes_MK + offsets_K).to(first.dtype)], 1)
        place_K = torch.arange(given + 1, device=codes_MK.device)
        turns = Turns(rotary_turns(place_K[None], self.config.width // self.config.num_heads, 100.0))
        mask = (place_K[:, None] >= place_K[None])[None].expand(x_MKD.shape[0], -1, -1)
        for block in self.blocks:
            x_MKD, _, _ = block(x_MKD, turns, mask)
        return self.norm(x_MKD)

    def logits(self, states_MJD: Tensor, vectors_KCV: Tensor, first: int = 0) -> Tensor:
        """Logits (M, J, C), float32, of the J codebooks from number `first` on."""
        stages = slice(first, first + states_MJD.shape[1])
        own_MJC = self.head_product(states_MJD, self.heads, first).float()
        asked_MJV = self.asked_product(states_MJD, self.asked_vectors, first)
        vectors_JCV = vectors_KCV[stages].to(states_MJD.dtype)
        return own_MJC + torch.einsum("mjv,jcv->mjc", asked_MJV, vectors_JCV).float()

    def loss(
        self,
        hidden_MD: Tensor,
        semantic_MD: Tensor,
        codes_MK: Tensor,
        counts_M: Tensor,
        vectors_KCV: Tensor,
    ) -> Tensor:
        """Cross-entropy (nats) of the codes (M, K), weighted mean over codebooks, where `counts_M` (M,) is true."""
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
        codes_MK = torch.zeros(hidden_MD.shape[0], 0, dtype=torch.long, device=hidden_MD.device)
        for stage in range(self.num_codebooks):
            state_M1D = self._states(hidden_MD, semantic_MD, codes_MK)[:, -1:]
            logits_MC = self.logits(state_M1D, vectors_KCV, stage)[:, 0]
            codes_MK = torch.cat([codes_MK, choose(stage, logits_MC)[:, None]], 1)
        return codes_MK
