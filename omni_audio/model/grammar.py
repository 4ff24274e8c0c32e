"""The form of an answer: which ids may follow which."""

from collections import deque
from enum import Enum

import torch
from torch import Tensor

from omni_audio.model.events import FinishReason
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import LayoutConfig, Mode
from omni_audio.model.text import Special, Vocabulary


class Phase(Enum):
    """Where an answer stands."""

    OPENING = "opening"
    TEXT = "text"
    FRAMES = "frames"
    LAST_FRAMES = "last_frames"
    TOOL = "tool"


class AnswerGrammar:
    """Which ids may come next in an answer whose words are the network's own, and what an id means."""

    def __init__(self, vocabulary: Vocabulary, layout: LayoutConfig, request: GenerationRequest) -> None:
        self.vocabulary, self.layout, self.request = vocabulary, layout, request
        self.num_text = self.num_frames = self.in_phase = 0
        self.phase = Phase.TEXT if request.mode is Mode.TRANSCRIBE else Phase.OPENING

    def allowed_ids(self) -> Tensor:
        """(V,) bool mask of the ids that may come next."""
        words = slice(self.vocabulary.text_start, self.vocabulary.semantic_start)
        mask_V = torch.zeros(self.vocabulary.size, dtype=torch.bool)
        speaks = self.request.mode is Mode.REPLY_AUDIO
        if self.phase in (Phase.OPENING, Phase.TEXT):
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
            mask_V[Special.TEXT_END] = self.phase is Phase.FRAMES and self.in_phase == 0
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
            interleaves = self.request.mode is Mode.REPLY_AUDIO and self.phase is Phase.TEXT
            if interleaves and self.in_phase == self.layout.interleave_text_tokens:
                self._enter(Phase.FRAMES)
        too_long = self.num_text >= self.request.max_text_tokens
        over = too_long or self.num_frames >= self.request.max_frames
        return FinishReason.LENGTH if over else None

    def _enter(self, phase: Phase) -> None:
        self.phase, self.in_phase = phase, 0


class ScriptGrammar:
    """The same for an answer whose words are given (Mode.SAY): the network chooses frames and where each word ends."""

    def __init__(self, vocabulary: Vocabulary, layout: LayoutConfig, request: GenerationRequest) -> None:
        self.vocabulary, self.request = vocabulary, request
        self.pieces = deque(layout.script_pieces(request.script))
        self.num_frames = self.in_phase = 0
        self.given: deque[int] = deque()
        """Ids that come next without a choice."""
        self._next_word()

    @property
    def phase(self) -> Phase:
        """Whether a given id comes next, or sound."""
        return Phase.TEXT if self.given else Phase.FRAMES

    def allowed_ids(self) -> Tensor:
        """(V,) bool mask of the ids that may come next; a word has at least one frame."""
        mask_V = torch.zeros(self.vocabulary.size, dtype=torch.bool)
        if self.given:
            mask_V[self.given[0]] = True
            return mask_V
        mask_V[self.vocabulary.semantic_start : self.vocabulary.size] = True
        mask_V[Special.NEXT_WORD if self.pieces else Special.END] = self.in_phase > 0
        return mask_V

    def push(self, token: int) -> FinishReason | None:
        """Takes the chosen id; returns a reason when the answer is over."""
        if token == Special.END:
            return FinishReason.STOP
        if token == Special.NEXT_WORD:
            self._next_word()
        elif self.given:
            self.given.popleft()
        else:
            self.num_frames += 1
            self.in_phase += 1
        return FinishReason.LENGTH if self.num_frames >= self.request.max_frames else None

    def _next_word(self) -> None:
        self.given.extend(self.pieces.popleft())
        self.in_phase = 0
