"""Generation: one loop for one stream or many, over the slots of a ring cache."""

from dataclasses import dataclass

import torch
from torch import Tensor

from omni_audio.checks import require
from omni_audio.model.events import AudioFrame, Event, Finished, TextToken, ToolToken
from omni_audio.model.grammar import AnswerGrammar, Phase
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sampling import Sampler
from omni_audio.model.sequence import NO_CHUNK, NO_CODE, TokenSequence
from omni_audio.model.transformer import OmniModel


@dataclass(slots=True)
class _Stream:
    grammar: AnswerGrammar
    text_sampler: Sampler
    audio_sampler: Sampler
    hidden_D: Tensor


class Generator:
    """Answers of many streams, one position at a time.

    Each stream has a slot of the cache; its output depends on its own prompt, request and seed.
    """

    def __init__(self, model: OmniModel, num_slots: int = 1) -> None:
        self.model, self.num_slots = model, num_slots
        self.cache = model.empty_cache(num_slots)
        self.streams: dict[int, _Stream] = {}

    @property
    def free_slots(self) -> list[int]:
        return [slot for slot in range(self.num_slots) if slot not in self.streams]

    @torch.no_grad()
    def open(self, slot: int, prompt: TokenSequence, request: GenerationRequest) -> None:
        """Feeds the prompt into the slot.

        Raises:
            ValueError: the slot is busy or does not exist.
        """
        require(
            0 <= slot < self.num_slots,
            "slot",
            slot,
            f"0 to {self.num_slots - 1}",
            "Use a slot of this generator.",
        )
        require(slot not in self.streams, "slot", slot, "a free slot", "Close the stream in it first.")
        self.cache.reset(slot)
        device = self.model.device
        hidden_BTD = self.model.advance(
            prompt.ids_T[None].to(device),
            prompt.codes_TK[None].to(device),
            prompt.chunk_T[None].to(device),
            prompt.pinned_T[None].to(device),
            self.cache,
            torch.tensor([slot], device=device),
            prompt.states_TS[None].to(device),
        )
        self.streams[slot] = _Stream(
            AnswerGrammar(self.model.vocabulary, self.model.config.layout, request),
            Sampler(request.temperature, request.top_p, request.seed),
            Sampler(request.audio_temperature, request.audio_top_p, request.seed),
            hidden_BTD[0, -1],
        )

    def close(self, slot: int) -> None:
        """Frees the slot at once; a slot that is free already stays so."""
        self.streams.pop(slot, None)

    @torch.no_grad()
    def step(self) -> list[Event]:
        """One position for every open stream."""
        slots = sorted(self.streams)
        if not slots:
            return []
        hidden_BD = torch.stack([self.streams[slot].hidden_D for slot in slots])
        logits_BV = self.model.head(hidden_BD).float()
        ids = [self._choose(slot, logits_V) for slot, logits_V in zip(slots, logits_BV, strict=True)]
        codes_BK = self._frame_codes(slots, ids, hidden_BD)
        events: list[Event] = []
        for slot, token, codes_K in zip(slots, ids, codes_BK, strict=True):
            events += self._events(slot, token, codes_K)
        going = [i for i, slot in enumerate(slots) if slot in self.streams]
        if going:
            device = self.model.device
            none_B1 = torch.full((len(going), 1), NO_CHUNK, device=device)
            hidden_BTD = self.model.advance(
                torch.tensor([[ids[i]] for i in going], device=device),
                codes_BK[going][:, None],
                none_B1,
                torch.zeros_like(none_B1, dtype=torch.bool),
                self.cache,
                torch.tensor([slots[i] for i in going], device=device),
            )
            for row, i in enumerate(going):
                self.streams[slots[i]].hidden_D = hidden_BTD[row, -1]
        return events

    def _choose(self, slot: int, logits_V: Tensor) -> int:
        stream = self.streams[slot]
        allowed_V = stream.grammar.allowed_ids().to(logits_V.device)
        logits_V = logits_V.masked_fill(~allowed_V, float("-inf"))
        phase = stream.grammar.phase
        if phase is Phase.TOOL:
            return int(logits_V.argmax())
        frames = phase in (Phase.FRAMES, Phase.LAST_FRAMES)
        return (stream.audio_sampler if frames else stream.text_sampler).choose(logits_V)

    def _frame_codes(self, slots: list[int], ids: list[int], hidden_BD: Tensor) -> Tensor:
        """Acoustic codes (B, K) of the streams whose id is a frame; -1 for the others."""
        codes_BK = torch.full((len(ids), self.model.depth.num_codebooks), NO_CODE, device=hidden_BD.device)
        rows = [i for i, token in enumerate(ids) if self.model.vocabulary.is_semantic(token)]
        if rows:
            samplers = [self.streams[slots[i]].audio_sampler for i in rows]

            def choose(logits_MC: Tensor) -> Tensor:
                chosen = [sampler.choose(row) for sampler, row in zip(samplers, logits_MC, strict=True)]
                return torch.tensor(chosen, device=logits_MC.device)

            semantic_MD = self.model.embed(torch.tensor([ids[i] for i in rows], device=hidden_BD.device))
            codes_BK[rows] = self.model.depth.generate(hidden_BD[rows], semantic_MD, choose)
        return codes_BK

    def _events(self, slot: int, token: int, codes_K: Tensor) -> list[Event]:
        grammar = self.streams[slot].grammar
        is_tool, starts_call = grammar.phase is Phase.TOOL, grammar.in_phase == 0
        reason = grammar.push(token)
        events: list[Event] = []
        if self.model.vocabulary.is_semantic(token):
            events.append(AudioFrame(slot, codes_K))
        elif self.model.vocabulary.is_text(token):
            events.append(ToolToken(slot, token, starts_call) if is_tool else TextToken(slot, token))
        if reason is not None:
            self.close(slot)
            events.append(Finished(slot, reason))
        return events
