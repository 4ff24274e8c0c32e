"""The form of an answer: which ids may follow which."""

from abc import ABC, abstractmethod
from collections import deque
from enum import Enum

import numpy as np

from omni_audio.model.events import FinishReason
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import LayoutConfig, Mode
from omni_audio.model.text import Special, Vocabulary
from omni_audio.model.text_form import FormState


class Phase(Enum):
    """Where an answer stands."""

    OPENING = "opening"
    TEXT = "text"
    FRAMES = "frames"
    LAST_FRAMES = "last_frames"
    TOOL = "tool"


class Grammar(ABC):
    """Which ids may come next in an answer, and what an id means."""

    phase: Phase
    in_phase: int
    """Ids since the phase began."""

    def __init__(self, vocabulary: Vocabulary, request: GenerationRequest) -> None:
        self.vocabulary, self.request = vocabulary, request
        self.num_frames = self.in_phase = 0

    @abstractmethod
    def allow(self, mask_V: np.ndarray) -> None:
        """Sets the ids that may come next in a mask (V,) of bool that is false everywhere."""

    @abstractmethod
    def push(self, token: int) -> FinishReason | None:
        """Takes the chosen id; returns a reason when the answer is over."""

    @property
    def _frames(self) -> slice:
        return slice(self.vocabulary.semantic_start, self.vocabulary.size)

    def _length_reason(self) -> FinishReason | None:
        return FinishReason.LENGTH if self.num_frames >= self.request.max_frames else None


class AnswerGrammar(Grammar):
    """The form of an answer whose words are the network's own."""

    def __init__(self, vocabulary: Vocabulary, layout: LayoutConfig, request: GenerationRequest) -> None:
        super().__init__(vocabulary, request)
        self.layout = layout
        self.num_text = self.num_calls = 0
        self.phase = Phase.TEXT if request.mode is Mode.TRANSCRIBE else Phase.OPENING
        self.form: FormState | None = request.text_form.begin() if request.text_form is not None else None
        """Of the text, or of the newest call once it has begun."""

    def allow(self, mask_V: np.ndarray) -> None:
        words = slice(self.vocabulary.text_start, self.vocabulary.semantic_start)
        speaks = self.request.mode is Mode.REPLY_AUDIO
        if self.phase in (Phase.OPENING, Phase.TEXT):
            must_call = self.phase is Phase.OPENING and self.request.tool_required
            if not must_call:
                mask_V[words] = True if self.form is None else self.form.allowed()
            mask_V[Special.TOOL_CALL] = self.phase is Phase.OPENING and self.request.tools
            has_words = self.num_text > 0 or self.request.mode is Mode.TRANSCRIBE
            mask_V[Special.TEXT_END if speaks else Special.END] = self._may_end(has_words) and not must_call
        elif self.phase is Phase.TOOL:
            mask_V[words] = True if self.form is None else self.form.allowed()
            is_whole = self._may_end(self.in_phase > 0)
            mask_V[Special.END] = is_whole
            mask_V[Special.TOOL_CALL] = is_whole and self.num_calls < self.request.max_calls
        else:
            mask_V[self._frames] = True
            mask_V[Special.END] = self.phase is Phase.LAST_FRAMES and self.num_frames > 0
            mask_V[Special.TEXT_END] = self.phase is Phase.FRAMES and self.in_phase == 0

    def push(self, token: int) -> FinishReason | None:
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
            if self.form is not None:
                self.form.push(token - self.vocabulary.text_start)
            if self.phase is Phase.OPENING:
                self.phase = Phase.TEXT
            interleaves = self.request.mode is Mode.REPLY_AUDIO and self.phase is Phase.TEXT
            if interleaves and self.in_phase == self.layout.interleave_text_tokens:
                self._enter(Phase.FRAMES)
        too_long = self.num_text >= self.request.max_text_tokens
        return FinishReason.LENGTH if too_long else self._length_reason()

    def _may_end(self, has_ids: bool) -> bool:
        return has_ids if self.form is None else self.form.may_end

    def _enter(self, phase: Phase) -> None:
        self.phase, self.in_phase = phase, 0
        if phase is Phase.TOOL:
            self.num_calls += 1
            self.form = self.request.call_form.begin() if self.request.call_form is not None else None


class ScriptGrammar(Grammar):
    """The form of an answer whose words are given (Mode.SAY): the network chooses frames and where each word ends.

    A word has at least one frame and at most `layout.most_frames`.
    """

    def __init__(self, vocabulary: Vocabulary, layout: LayoutConfig, request: GenerationRequest) -> None:
        super().__init__(vocabulary, request)
        self.pieces = deque(layout.script_pieces(request.script))
        self.most_frames = deque(map(layout.most_frames, request.script))
        self.given: deque[int] = deque()
        """Ids that come next without a choice."""
        self._next_word()

    def allow(self, mask_V: np.ndarray) -> None:
        if self.given:
            mask_V[self.given[0]] = True
            return
        mask_V[self._frames] = self.in_phase < self.most_frames[0]
        mask_V[Special.NEXT_WORD if self.pieces else Special.END] = self.in_phase > 0

    def push(self, token: int) -> FinishReason | None:
        if token == Special.END:
            return FinishReason.STOP
        if token == Special.NEXT_WORD:
            self.most_frames.popleft()
            self._next_word()
        elif self.given:
            self.given.popleft()
            self.phase = Phase.TEXT if self.given else Phase.FRAMES
        else:
            self.num_frames += 1
            self.in_phase += 1
            return self._length_reason()
        return None

    def _next_word(self) -> None:
        self.given.extend(self.pieces.popleft())
        self.phase = Phase.TEXT if self.given else Phase.FRAMES
        self.in_phase = 0
