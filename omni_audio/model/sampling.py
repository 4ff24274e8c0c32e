"""Choosing ids from logits: penalty, temperature, filters, draw; each stream with a generator of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from omni_audio.checks import require, require_range

LEAST_TEMPERATURE = 1e-3
"""Logits divided by less may overflow, and the draw would be greedy all the same."""

MAX_BIAS = 100.0


@dataclass(kw_only=True, slots=True)
class Sampler:
    """Draws for one stream.

    What comes first changes what the next sees; the order is that of transformers' generate(): repetition penalty,
    what is added and subtracted, temperature, top-k, top-p, min-p, draw. (llama.cpp applies the temperature behind the
    filters.)

    Attributes:
        temperature: divides the logits; 0 is greedy, where the penalty still counts and the filters change nothing.
        top_k: keeps the ids of the k largest logits, and those that equal the k-th; None keeps all.
        top_p: keeps the smallest set of ids with that probability (Holtzman et al. 2019).
        min_p: keeps ids that are at least this many times as probable as the best (Nguyen et al. 2024); 0 keeps all.
        repetition_penalty: positive logits of ids that were seen are divided by it, negative ones multiplied
            (Keskar et al. 2019, section 4.1); 1 changes nothing.
        frequency_penalty: taken from the logit of an id for each time that it was seen, -2..2 (OpenAI's API).
        presence_penalty: taken from the logit of an id that was seen at all, -2..2.
        bias: added to the logits of these ids.
        seed: of the draws.
        prefix: in front of the settings' names in errors.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    bias: Mapping[int, float] = field(default_factory=dict)
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
        require_range(f"{self.prefix}frequency_penalty", self.frequency_penalty, -2.0, 2.0)
        require_range(f"{self.prefix}presence_penalty", self.presence_penalty, -2.0, 2.0)
        for value in self.bias.values():
            require_range(f"{self.prefix}bias", value, -MAX_BIAS, MAX_BIAS)
        require_range("seed", self.seed, -(2**63), 2**64 - 1)
        self.generator = torch.Generator().manual_seed(self.seed)

    @property
    def changes_logits(self) -> bool:
        """Whether a penalty or a bias is set."""
        penalties = (self.repetition_penalty - 1, self.frequency_penalty, self.presence_penalty)
        return any(penalties) or bool(self.bias)

    def changed(self, logits_V: Tensor, seen: Mapping[int, int]) -> Tensor:
        """Logits (V,) with those of the ids in `seen` made weaker, by how often each was, and the biases added."""
        if not self.changes_logits:
            return logits_V
        if seen:
            ids = torch.tensor(sorted(seen), device=logits_V.device)
            counts = torch.tensor([seen[token] for token in sorted(seen)], device=logits_V.device)
            value = logits_V[ids]
            weaker = torch.where(value > 0, value / self.repetition_penalty, value * self.repetition_penalty)
            weaker = weaker - self.presence_penalty - self.frequency_penalty * counts
            logits_V = logits_V.index_copy(0, ids, weaker.to(logits_V.dtype))
        if self.bias:
            ids = torch.tensor(list(self.bias), device=logits_V.device)
            added = torch.tensor(list(self.bias.values()), device=logits_V.device, dtype=logits_V.dtype)
            logits_V = logits_V.index_add(0, ids, added)
        return logits_V


def choose(samplers: Sequence[Sampler], logits_BV: Tensor, seen: Sequence[Mapping[int, int]]) -> list[int]:
    """One id for each row of logits (B, V), by the sampler of the row; ids at -inf are never chosen.

    All rows go through each operation together; a row comes out the same whatever lies beside it. `seen`: the ids of
    each row that its penalties are for, and how often each was.

    Raises:
        ValueError: a row that draws has no finite logit, or one that is NaN.
    """
    if any(sampler.changes_logits for sampler in samplers):
        rows = zip(samplers, logits_BV, seen, strict=True)
        logits_BV = torch.stack([sampler.changed(logits_V, ids) for sampler, logits_V, ids in rows])
    chosen = logits_BV.argmax(-1).tolist()
    drawing = [row for row, sampler in enumerate(samplers) if sampler.temperature > 0]
    if drawing:
        logits_DV = logits_BV if len(drawing) == len(chosen) else logits_BV[drawing]
        drawn = _draw([samplers[row] for row in drawing], logits_DV.float().cpu())
        for row, token in zip(drawing, drawn, strict=True):
            chosen[row] = token
    return chosen


def _draw(samplers: Sequence[Sampler], logits_BV: Tensor) -> list[int]:
    """In order of their probability, what each filter keeps is a first part; the draw is a point of its length."""

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values)[:, None]

    size = logits_BV.shape[1]
    scaled_BV = logits_BV / column([sampler.temperature for sampler in samplers])
    scaled_BV, order_BV = scaled_BV.sort(descending=True)
    if any(sampler.top_k is not None for sampler in samplers):
        last_B1 = torch.tensor([min(sampler.top_k or size, size) - 1 for sampler in samplers])[:, None]
        scaled_BV = scaled_BV.masked_fill(scaled_BV < scaled_BV.gather(1, last_B1), float("-inf"))
    probability_BV = scaled_BV.softmax(-1)
    sum_BV = probability_BV.cumsum(-1)
    before_BV = sum_BV - probability_BV
    # A sum of all may come out a little above 1.
    kept_BV = before_BV <= column([sampler.top_p if sampler.top_p < 1 else 2.0 for sampler in samplers])
    least_B1 = column([sampler.min_p for sampler in samplers]) * probability_BV[:, :1]
    kept_BV &= (probability_BV >= least_B1) & (probability_BV > 0)
    num_kept_B1 = kept_BV.sum(-1, keepdim=True)
    require(
        bool(num_kept_B1.all()), "logits", "NaN or none that is finite", "a finite one", "Check the weights."
    )
    point_B1 = torch.cat([torch.rand(1, generator=sampler.generator) for sampler in samplers])[:, None]
    place_B1 = torch.searchsorted(sum_BV, point_B1 * sum_BV.gather(1, num_kept_B1 - 1), right=True)
    return order_BV.gather(1, torch.minimum(place_B1, num_kept_B1 - 1))[:, 0].tolist()
