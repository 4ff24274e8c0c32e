"""How evenly the codes of codebooks are used."""

import torch
from torch import Tensor


def code_counts(codes_NK: Tensor, size: int) -> Tensor:
    """How often each code of each codebook was chosen: (N, K) codes -> (K, size) int64."""
    return torch.stack([torch.bincount(codes_N, minlength=size) for codes_N in codes_NK.unbind(-1)])


def usage_entropy_percent(counts_KC: Tensor) -> Tensor:
    """Entropy of the codes of each codebook, (K,), in percent of the most that N choices of C codes can have."""
    most = counts_KC.sum(-1).clamp(2, counts_KC.shape[-1]).log()
    return 100 * _entropy_nats(counts_KC) / most


def usage_perplexity(counts_KC: Tensor) -> Tensor:
    """How many evenly used codes would have the entropy of each codebook, (K,), 1 to C."""
    return _entropy_nats(counts_KC).exp()


def used_percent(counts_KC: Tensor) -> Tensor:
    """Share of the codes of each codebook that were chosen at all, (K,), percent."""
    return 100 * (counts_KC > 0).float().mean(-1)


def _entropy_nats(counts_KC: Tensor) -> Tensor:
    share_KC = counts_KC / counts_KC.sum(-1, keepdim=True).clamp_min(1)
    return torch.special.entr(share_KC).sum(-1)
