"""Decode steps made by torch.compile: one graph for a step of the stack, two for the steps of the depth decoder.

Shapes are static. The number of rows is rounded up to a power of two, and the rows that are added repeat the last one,
so that a server of 16 slots needs five forms of each graph; a warm-up makes them. Prompts are read as they are written.
"""

import logging
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from omni_audio.checks import require
from omni_audio.model.compiler import allow_forms
from omni_audio.model.kv_cache import KVCache
from omni_audio.model.kv_store import KVFormat
from omni_audio.model.layout import CodePattern
from omni_audio.model.sequence import NO_CODE
from omni_audio.model.static_depth import StaticDepth
from omni_audio.model.static_step import StaticStep
from omni_audio.model.text import Special
from omni_audio.model.transformer import OmniModel

log = logging.getLogger(__name__)

NOT_COMPILED = ("Linear4bit", "LoraLinear", "LoraHeads")
"""Classes of modules that are products of another kind; bitsandbytes' is named, so that it need not be imported."""


class CompiledSteps:
    """What a Generator calls instead of the network as it is written; results are the same to rounding.

    Args:
        model: in evaluation mode, where it stays; its weights are shared and must stay
            as they are from now on. Those that bitsandbytes packed are refused.
        backend: of torch.compile.

    Raises:
        ValueError: the model has NF4 weights or adapters, whose products are no plain loops, or no depth decoder.
    """

    def __init__(self, model: OmniModel, backend: str = "inductor") -> None:
        odd = [name for name, module in model.named_modules() if type(module).__name__ in NOT_COMPILED]
        remedy = "Set weight_quant=none or int4 and merge adapters, or set runtime.compile=false."
        require(not odd, "runtime.compile", odd[:1], "false for NF4 weights and adapters", remedy)
        require(
            model.config.layout.pattern is CodePattern.depth,
            "runtime.compile",
            True,
            "false for a build of model.layout.pattern=delay: its steps are not compiled",
            "Set runtime.compile=false.",
        )
        allow_forms()
        self.model = model
        step, self._depth = StaticStep(model).eval(), StaticDepth(model).eval()

        def compiled(function: Callable[..., tuple[Tensor, ...]]) -> Callable[..., tuple[Tensor, ...]]:
            return torch.compile(function, dynamic=False, fullgraph=True, backend=backend)

        self._step = compiled(step.forward)
        self._begin, self._go_on = compiled(self._depth.begin), compiled(self._depth.go_on)
        self._forms: set[tuple[object, ...]] = set()
        self._is_warming = False
        self._heads = list(self._depth.heads_KCD)
        self._stages = [
            torch.tensor(stage, device=model.device) for stage in range(self._depth.num_codebooks)
        ]

    def warm_up(self, num_slots: int, kv_format: KVFormat = KVFormat.float32) -> float:
        """Compiles every form that a Generator of so many slots may call, on a cache of its own; returns seconds."""
        start, self._is_warming = time.perf_counter(), True
        cache = self.model.empty_cache(num_slots, kv_format)
        for num_rows in sorted({rounded_rows(rows) for rows in range(1, num_slots + 1)}):
            slots = list(range(min(num_rows, num_slots)))
            none_BK = torch.full((len(slots), self._depth.num_codebooks), NO_CODE, device=self.model.device)
            hidden_BD, _ = self.advance([Special.BOS for _ in slots], none_BK, cache, slots)
            first = [self.model.vocabulary.semantic_start for _ in slots]
            self.codes(hidden_BD, first, lambda _, logits_MC: logits_MC.argmax(-1))
            log.info("compiled the decode step of %d streams, %.0f s", num_rows, time.perf_counter() - start)
        self._is_warming = False
        return time.perf_counter() - start

    def _note(self, part: str, num_rows: int, *facts: object) -> None:
        """Warns, once, of a form that no warm-up made: the streams wait while it is compiled."""
        form = (part, num_rows, *facts)
        if form not in self._forms:
            self._forms.add(form)
            if not self._is_warming:
                told = "the %s of %d streams was not warmed up: it is compiled now, and every stream waits"
                log.warning(told, part, num_rows)

    @torch.inference_mode()
    def advance(
        self, ids: Sequence[int], codes_BK: Tensor, cache: KVCache, slots: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Feeds one position of an answer to each of the B different slots.

        Returns:
            Hidden states (B, D), normalised for the heads, and the main head's logits (B, V), float32.
        """
        device = self.model.device
        rows = _filled(len(slots))
        self._note("decode step", len(rows), *[(part.shape, part.dtype) for part in cache.keys.parts])
        slots_R = torch.tensor([slots[row] for row in rows], device=device)
        cache.keep_in_range(torch.tensor(slots, device=device), self.model.config.rotary_base)
        hidden_RD, logits_RV = self._step(
            torch.tensor([ids[row] for row in rows], device=device),
            codes_BK[rows],
            slots_R,
            cache.keys.parts,
            cache.values.parts,
            cache.position_SL,
            cache.chunk_SL,
            cache.pinned_SL,
            cache.length_S,
            cache.origin_S,
        )
        return hidden_RD[: len(slots)], logits_RV[: len(slots)]

    @torch.inference_mode()
    def codes(
        self,
        hidden_MD: Tensor,
        semantic_ids: Sequence[int],
        choose: Callable[[int, Tensor], Tensor],
    ) -> Tensor:
        """As DepthDecoder.generate, of M frames with these semantic ids."""
        num_rows = len(semantic_ids)
        rows = _filled(num_rows)
        self._note("depth decoder's steps", len(rows))
        ids_R = torch.tensor([semantic_ids[row] for row in rows], device=self.model.device)
        logits_RC, keys, values = self._begin(hidden_MD[rows], ids_R, self._heads[0])
        codes_MK = [choose(0, logits_RC[:num_rows])]
        for stage in range(1, self._depth.num_codebooks):
            logits_RC, keys, values = self._go_on(
                codes_MK[-1][rows], self._stages[stage], self._heads[stage], keys, values
            )
            codes_MK.append(choose(stage, logits_RC[:num_rows]))
        return torch.stack(codes_MK, 1)


def rounded_rows(num_rows: int) -> int:
    """The next power of two."""
    return 1 << (num_rows - 1).bit_length()


def _filled(num_rows: int) -> list[int]:
    """Numbers of rows, the last one again and again up to a power of two."""
    return [*range(num_rows), *[num_rows - 1] * (rounded_rows(num_rows) - num_rows)]
