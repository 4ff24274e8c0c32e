"""Output heads that know how codes are made: codes that share a digit, or lie near to each other, share weights.

With a table of its own for every code each code would have to be met often; small corpora have tens of frames for each.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
