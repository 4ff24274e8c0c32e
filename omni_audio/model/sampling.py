"""Choosing one id from logits: penalty, temperature, filters, draw; each stream with a generator of its own."""

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor

from omni_audio.checks import require, require_range

LEAST_TEMPERATURE = 1e-3
"""Logits divided by less may overflow, and the draw would be greedy all the same."""


@dataclass(kw_only=True, slots=True)
class Sampler:
    """Draws for one stream.

    What comes first changes what the next sees; the order is that of transformers' generate(): repetition penalty,
    temperature, top-k, top-p, min-p, draw. (llama.cpp applies the temperature behind the filters.)

    Attributes:
        temperature: divides the logits; 0 is greedy, where the penalty still counts and the filters change nothing.
        top_k: keeps the ids of the k largest logits, and those that equal the k-th; None keeps all.
        top_p: keeps the smallest set of ids with that probability (Holtzman et al. 2019).
        min_p: keeps ids that are at least this many times as probable as the best (Nguyen et al. 2024); 0 keeps all.
        repetition_penalty: positive logits of ids that were seen are divided by it, negative ones multiplied
            (Keskar et al. 2019, section 4.1); 1 changes nothing.
        seed: of the draws.
        prefix: in front of the settings' names in errors.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0
    prefix: str = ""
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        require(
            self.temperature == 0 or LEAST_TEMPERATURE <= self.temperature <= 2,
            f"{self.prefix}temperature",
            self.temperature,
            f"0 (greedy) or {LEAST_TEMPERATURE} to 2.0",
            "Set it inside that range.",
        )
        require(
            self.top_k is None or self.top_k >= 1,
            f"{self.prefix}top_k",
            self.top_k,
            "at least 1, or None for all",
            "Raise it, or leave it out.",
        )
        require_range(f"{self.prefix}top_p", self.top_p, 0.0, 1.0)
        require_range(f"{self.prefix}min_p", self.min_p, 0.0, 1.0)
        require_range(f"{self.prefix}repetition_penalty", self.repetition_penalty, 0.1, 10.0)
        require_range("seed", self.seed, -(2**63), 2**64 - 1)
        self.generator = torch.Generator().manual_seed(self.seed)

    def choose(self, logits_V: Tensor, seen: Collection[int] = ()) -> int:
        """One id of (V,) logits; ids at -inf are never chosen. `seen`: the ids that the penalty is for."""
        logits_V = self._penalised(logits_V, seen)
        if self.temperature == 0:
            return int(logits_V.argmax())
        logits_V = logits_V.float().cpu() / self.temperature
        if self.top_k is not None and self.top_k < logits_V.shape[0]:
            logits_V = logits_V.masked_fill(logits_V < logits_V.topk(self.top_k).values[-1], float("-inf"))
        probability_V = logits_V.softmax(-1)
        if self.top_p < 1:
            sorted_V, order_V = probability_V.sort(descending=True)
            before_V = sorted_V.cumsum(-1) - sorted_V
            sorted_V[before_V > self.top_p] = 0
            probability_V = torch.zeros_like(probability_V).scatter_(0, order_V, sorted_V)
        if self.min_p > 0:
            probability_V[probability_V < self.min_p * probability_V.max()] = 0
        return int(torch.multinomial(probability_V, 1, generator=self.generator))

    def _penalised(self, logits_V: Tensor, seen: Collection[int]) -> Tensor:
        if self.repetition_penalty == 1 or not seen:
            return logits_V
        ids = torch.tensor(sorted(seen), device=logits_V.device)
        value = logits_V[ids]
        weaker = torch.where(value > 0, value / self.repetition_penalty, value * self.repetition_penalty)
        return logits_V.index_copy(0, ids, weaker)
