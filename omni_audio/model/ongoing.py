"""An answer on its way: what it may say next, and what it has said."""

from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from omni_audio.model.delays import SaidRows
from omni_audio.model.events import FinishReason
from omni_audio.model.grammar import Grammar, Phase
from omni_audio.model.sampling import Sampler
from omni_audio.model.sequence import TokenSequence
from omni_audio.model.text import Special

_GREEDY = Sampler()


@dataclass(slots=True)
class OngoingAnswer:
    """An answer on its way: its form, its draws, what it has said so far, and what it has yet to read."""

    grammar: Grammar
    text_sampler: Sampler
    audio_sampler: Sampler
    said: Counter[int]
    """Its text ids, and how often each is there."""
    sounded: list[Counter[int]]
    """Its semantic ids, and the codes of each acoustic codebook."""
    unread: deque[TokenSequence]
    num_logprobs: int | None
    """Of the request."""
    rows: SaidRows
    """Its acoustic codes."""
    given: deque[int] = field(default_factory=deque)
    """Behind its last choice: what brings the codes that are late."""
    reason: FinishReason | None = None
    """Why it is over, where codes are late."""

    @property
    def _speaks(self) -> bool:
        return self.grammar.phase in (Phase.FRAMES, Phase.LAST_FRAMES)

    @property
    def sampler(self) -> Sampler:
        """Of the next id; a tool call is greedy."""
        if self.grammar.phase is Phase.TOOL:
            return _GREEDY
        return self.audio_sampler if self._speaks else self.text_sampler

    @property
    def seen(self) -> Counter[int]:
        """The ids that the penalties on the next id are for."""
        return self.sounded[0] if self._speaks else self.said

    def allow(self, mask_V: np.ndarray) -> None:
        """Sets the ids that may come next in a mask (V,) of bool that is false everywhere."""
        if self.given:
            mask_V[self.given[0]] = True
        else:
            self.grammar.allow(mask_V)

    def push(self, token: int) -> FinishReason | None:
        """Takes the chosen id; returns a reason when the answer is over and its frames are whole."""
        if self.given:
            self.given.popleft()
            return None if self.given else self.reason
        reason = self.grammar.push(token)
        num_late = self.rows.delays.longest if self.rows.num_rows > 0 else 0
        if reason is None or num_late == 0:
            return reason
        self.reason = reason
        self.given.extend([Special.END] * (token != Special.END) + [Special.AUDIO] * num_late)
        return None

    def is_said(self, token: int) -> Tensor:
        """(K,) bool, the codes that come with this frame, or with this <audio> behind the last one."""
        is_late = token == Special.AUDIO
        num_frames = self.grammar.num_frames if is_late else self.rows.num_rows + 1
        return self.rows.delays.is_said(self.rows.num_rows, num_frames)
