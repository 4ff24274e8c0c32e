"""Choosing one id from logits: greedy, temperature, nucleus; each stream with a generator of its own."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from omni_audio.checks import require_range


@dataclass(slots=True)
class Sampler:
    """Draws for one stream. temperature 0 is greedy; top_p keeps the smallest set of ids with that probability."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        require_range("temperature", self.temperature, 0.0, 2.0)
        require_range("top_p", self.top_p, 0.0, 1.0)
        self.generator = torch.Generator().manual_seed(self.seed)

    def choose(self, logits_V: Tensor) -> int:
        """One id of (V,) logits; ids at -inf are never chosen."""
        if self.temperature == 0:
            return int(logits_V.argmax())
        probability_V = (logits_V.float().cpu() / self.temperature).softmax(-1)
        if self.top_p < 1:
            sorted_V, order_V = probability_V.sort(descending=True)
            before_V = sorted_V.cumsum(-1) - sorted_V
            sorted_V[before_V > self.top_p] = 0
            probability_V = torch.zeros_like(probability_V).scatter_(0, order_V, sorted_V)
        return int(torch.multinomial(probability_V, 1, generator=self.generator))
