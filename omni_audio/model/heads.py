"""Output heads that know how codes are made: codes that share a digit, or lie near to each other, share weights.

With a table of its own for every code each code would have to be met often; small corpora have tens of frames for each.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.model.delays import NO_CODE
from omni_audio.model.text import Vocabulary
from omni_audio.tokenizer.semantic import FiniteScalarQuantizer


class MainHead(nn.Module):
    """States (..., D) -> logits (..., V) of the one vocabulary.

    The logit of a semantic code is the sum of those of its FSQ digits and one of its own, which begins at 0.
    """

    def __init__(self, width: int, vocabulary: Vocabulary, levels: list[int]) -> None:
        super().__init__()
        self.linear = nn.Linear(width, vocabulary.size, bias=False)
        self.digits = nn.Linear(width, sum(levels), bias=False)
        nn.init.zeros_(self.linear.weight[vocabulary.semantic_start :])
        self.digits_of_ids: Tensor
        self.register_buffer("digits_of_ids", digits_of_ids(vocabulary, levels), persistent=False)

    def forward(self, states_XD: Tensor) -> Tensor:
        scores_XL = self.digits(states_XD)
        return self.linear(states_XD) + scores_XL @ self.digits_of_ids.to(scores_XL.dtype)


def digits_of_ids(vocabulary: Vocabulary, levels: list[int]) -> Tensor:
    """(sum of levels, V): a 1 at each FSQ digit of a semantic code, nothing for all other ids."""
    digits_NL = FiniteScalarQuantizer(levels).digits(torch.arange(vocabulary.num_semantic))
    one_hots = [F.one_hot(digits_NL[:, i], size) for i, size in enumerate(levels)]
    return F.pad(torch.cat(one_hots, 1).float().t(), (vocabulary.semantic_start, 0)).contiguous()


class HeadProduct(nn.Module):
    """States times one matrix for each codebook: logits, or the vectors that are asked for.

    It has no weights: the matrices are the decoder's. What is done with them has a module of its own, so that
    adapters can stand around it as they stand around a linear.
    """

    def forward(self, states_MJD: Tensor, heads_KDC: Tensor, first: int = 0) -> Tensor:
        """Products (M, J, C) of the J codebooks from number `first` on; C is the matrices' last width."""
        heads_JDC = heads_KDC[first : first + states_MJD.shape[1]].to(states_MJD.dtype)
        return torch.einsum("mjd,jdc->mjc", states_MJD, heads_JDC)


class CodeHeads(nn.Module):
    """One head for each codebook; what chooses acoustic codes ends with these.

    The logit of a code is its own, which begins at 0, and the product of its vector with the vector that the state asks
    for.
    """

    num_codebooks: int
    codebook_size: int

    def add_heads(self, width: int, num_codebooks: int, codebook_size: int, code_width: int) -> None:
        """Makes the heads, of states of this width."""
        self.num_codebooks, self.codebook_size = num_codebooks, codebook_size
        self.heads = nn.Parameter(torch.zeros(num_codebooks, width, codebook_size))
        self.asked_vectors = nn.Parameter(torch.empty(num_codebooks, width, code_width))
        nn.init.normal_(self.asked_vectors, std=0.02)
        self.head_product, self.asked_product = HeadProduct(), HeadProduct()

    def logits(self, states_MJD: Tensor, vectors_KCV: Tensor, first: int = 0) -> Tensor:
        """Logits (M, J, C), float32, of the J codebooks from number `first` on."""
        stages = slice(first, first + states_MJD.shape[1])
        own_MJC = self.head_product(states_MJD, self.heads, first).float()
        asked_MJV = self.asked_product(states_MJD, self.asked_vectors, first)
        met_JMC = asked_MJV.transpose(0, 1) @ vectors_KCV[stages].to(asked_MJV.dtype).transpose(1, 2)
        return own_MJC + met_JMC.transpose(0, 1).float()


class DelayHeads(CodeHeads):
    """In the place of a depth decoder where codes are late: hidden and embedded id (M, D) -> K codes of one row.

    All heads look at the same state; what they need to know of coarser codes the stack has been fed.
    """

    def __init__(
        self,
        width: int,
        loss_decay: float,
        model_width: int,
        num_codebooks: int,
        codebook_size: int,
        code_width: int,
    ) -> None:
        super().__init__()
        self.loss_decay = loss_decay
        self.enter = nn.Linear(2 * model_width, width, bias=False)
        self.blocks = nn.ModuleList()
        """None: the stack is enough."""
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.add_heads(width, num_codebooks, codebook_size, code_width)

    def row_logits(self, hidden_MD: Tensor, id_MD: Tensor, vectors_KCV: Tensor) -> Tensor:
        """Logits (M, K, C), float32."""
        state_MD = self.norm(self.enter(torch.cat([hidden_MD, id_MD], -1)).float())
        return self.logits(state_MD[:, None].expand(-1, self.num_codebooks, -1), vectors_KCV)

    def loss(
        self, hidden_MD: Tensor, id_MD: Tensor, codes_MK: Tensor, counts_M: Tensor, vectors_KCV: Tensor
    ) -> Tensor:
        """Cross-entropy (nats) of the codes (M, K) that a row holds, weighted mean, where `counts_M` (M,) is true."""
        logits_MKC = self.row_logits(hidden_MD, id_MD, vectors_KCV)
        flat = logits_MKC.flatten(0, 1), codes_MK.flatten()
        entropy_MK = F.cross_entropy(*flat, reduction="none", ignore_index=NO_CODE).view_as(codes_MK)
        weights_K = self.loss_decay ** torch.arange(self.num_codebooks, device=codes_MK.device)
        weights_MK = weights_K * (codes_MK != NO_CODE) * counts_M[:, None]
        return (entropy_MK * weights_MK).sum() / weights_MK.sum().clamp_min(1e-8)

    @torch.no_grad()
    def generate(
        self,
        hidden_MD: Tensor,
        id_MD: Tensor,
        vectors_KCV: Tensor,
        choose: Callable[[int, Tensor], Tensor],
    ) -> Tensor:
        """As DepthDecoder.generate; which of the codes (M, K) a row holds is the caller's to know."""
        logits_MKC = self.row_logits(hidden_MD, id_MD, vectors_KCV)
        return torch.stack([choose(k, logits_MKC[:, k]) for k in range(self.num_codebooks)], 1)
