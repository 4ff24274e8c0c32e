"""Generation: one loop for one stream or many, over the slots of a ring cache."""

from dataclasses import dataclass, field
from enum import Enum

import torch
from torch import Tensor

from omni_audio.checks import require
from omni_audio.model.sampling import Sampler
from omni_audio.model.sequence import NO_CHUNK, NO_CODE, LayoutConfig, Mode, TokenSequence
from omni_audio.model.text import Special, Vocabulary
from omni_audio.model.transformer import OmniModel


@dataclass(kw_only=True, slots=True)
class GenerationRequest:
    """What to generate after a prompt that ends with the mode token.

    Attributes:
        mode: decides which ids may follow which.
        tools: whether a tool call may open the answer.
        tool_required: whether it must.
        temperature, top_p: of text ids; 0 is greedy. Ids of a tool call are always greedy: it is data, not style.
        audio_temperature, audio_top_p: of semantic and acoustic codes.
        seed: of this stream's draws.
        max_text_tokens, max_frames: limits; reaching one ends with reason "length".
        script: text ids that Mode.SAY speaks (TextTokenizer.spell): they stand in the answer as they are, only the
            sound is generated.
    """

    mode: Mode
    tools: bool = False
    tool_required: bool = False
    temperature: float = 0.0
    top_p: float = 1.0
    audio_temperature: float = 0.6
    audio_top_p: float = 0.95
    seed: int = 0
    max_text_tokens: int = 256
    max_frames: int = 375
    script: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        require(self.max_text_tokens >= 1, "max_text_tokens", self.max_text_tokens, "at least 1", "Raise it.")
        require(self.max_frames >= 1, "max_frames", self.max_frames, "at least 1", "Raise it.")
        require(
            self.tools or not self.tool_required,
            "tool_required",
            True,
            "False when no tools are offered",
            "Offer tools.",
        )
        require(
            (self.mode is Mode.SAY) == bool(self.script),
            "script",
            self.script,
            "text ids with Mode.SAY, and none with the other modes",
            "Spell the text to be spoken.",
        )


class FinishReason(Enum):
    """Why a stream ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


@dataclass(slots=True)
class TextToken:
    """An id of the answer's text (or of its transcript)."""

    slot: int
    id: int


@dataclass(slots=True)
class ToolToken:
    """An id of a tool call's JSON; `starts_call` on the first of a call."""

    slot: int
    id: int
    starts_call: bool


@dataclass(slots=True)
class AudioFrame:
    """Acoustic codes (K,) of the next 80 ms."""

    slot: int
    codes_K: Tensor


@dataclass(slots=True)
class Finished:
    """The stream is over; its slot is free again."""

    slot: int
    reason: FinishReason


Event = TextToken | ToolToken | AudioFrame | Finished


class Phase(Enum):
    """Where an answer stands."""

    OPENING = "opening"
    TEXT = "text"
    FRAMES = "frames"
    LAST_FRAMES = "last_frames"
    TOOL = "tool"


class AnswerGrammar:
    """Which ids may come next in an answer, and what an id means."""

    def __init__(self, vocabulary: Vocabulary, layout: LayoutConfig, request: GenerationRequest) -> None:
        self.vocabulary, self.layout, self.request = vocabulary, layout, request
        self.num_text = self.num_frames = self.in_phase = 0
        opens_with_text = request.mode in (Mode.SAY, Mode.TRANSCRIBE)
        self.phase = Phase.TEXT if opens_with_text else Phase.OPENING

    def allowed_ids(self) -> Tensor:
        """(V,) bool mask of the ids that may come next."""
        words = slice(self.vocabulary.text_start, self.vocabulary.semantic_start)
        mask_V = torch.zeros(self.vocabulary.size, dtype=torch.bool)
        speaks = self.request.mode is Mode.REPLY_AUDIO
        script, script_is_over = self.request.script, self.num_text >= len(self.request.script)
        if script and self.phase is Phase.TEXT:
            mask_V[Special.TEXT_END if script_is_over else script[self.num_text]] = True
        elif script and script_is_over and self.phase is Phase.FRAMES and self.in_phase == 0:
            mask_V[Special.TEXT_END] = True
        elif self.phase in (Phase.OPENING, Phase.TEXT):
            must_call = self.phase is Phase.OPENING and self.request.tool_required
            mask_V[words] = not must_call
            mask_V[Special.TOOL_CALL] = self.phase is Phase.OPENING and self.request.tools
            has_words = self.num_text > 0 or self.request.mode is Mode.TRANSCRIBE
            mask_V[Special.TEXT_END if speaks else Special.END] = has_words and not must_call
        elif self.phase is Phase.TOOL:
            mask_V[words] = True
            mask_V[Special.END] = self.in_phase > 0
        else:
            mask_V[self.vocabulary.semantic_start : self.vocabulary.size] = True
            mask_V[Special.END] = self.phase is Phase.LAST_FRAMES and self.num_frames > 0
            mask_V[Special.TEXT_END] = not script and self.phase is Phase.FRAMES and self.in_phase == 0
        return mask_V

    def push(self, token: int) -> FinishReason | None:
        """Takes the chosen id; returns a reason when the answer is over."""
        if token == Special.END:
            return FinishReason.TOOL_CALLS if self.phase is Phase.TOOL else FinishReason.STOP
        self.in_phase += 1
        if token == Special.TOOL_CALL:
            self._enter(Phase.TOOL)
        elif token == Special.TEXT_END:
            self._enter(Phase.LAST_FRAMES)
        elif self.vocabulary.is_semantic(token):
            self.num_frames += 1
            if self.phase is Phase.FRAMES and self.in_phase == self.layout.interleave_frames:
                self._enter(Phase.TEXT)
        else:
            self.num_text += 1
            if self.phase is Phase.OPENING:
                self.phase = Phase.TEXT
            speaks = self.request.mode in (Mode.SAY, Mode.REPLY_AUDIO)
            interleaves = speaks and self.phase is Phase.TEXT
            size = self.layout.piece_size(self.num_frames, self.request.mode is Mode.SAY)
            if interleaves and self.in_phase == size:
                self._enter(Phase.FRAMES)
        too_long = self.num_text >= self.request.max_text_tokens and not self.request.script
        over = too_long or self.num_frames >= self.request.max_frames
        return FinishReason.LENGTH if over else None

    def _enter(self, phase: Phase) -> None:
        self.phase, self.in_phase = phase, 0


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
