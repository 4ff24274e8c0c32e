"""Who waits for whom: a request that has given nothing yet goes before answers that are ahead of their listeners."""

from collections.abc import Mapping
from typing import Final

from omni_audio.model.sequence import Mode
from omni_audio.serving.stream import Stream

MIN_LEAD_S: Final = 0.24
"""Sound in hand, three frames, that an answer needs at the least before it is held back."""
LEAD_STEPS: Final = 3
"""It needs as much as this many of the engine's slow steps take, if that is more."""
_FORGETTING: Final = 0.98


class FirstSound:
    """Says which answers sit out a step, so that it is sooner over for those that have given nothing yet.

    Who is held back goes on once it has little sound in hand, measured by how long the engine's steps take.
    """

    def __init__(self) -> None:
        self._slow_step_s = 0.0

    @property
    def lead_s(self) -> float:
        """Sound in hand that an answer needs before it is held back."""
        return max(MIN_LEAD_S, LEAD_STEPS * self._slow_step_s)

    def step_ended(self, duration_s: float) -> None:
        """Learns how long a step took, what was read before it included; slow ones are forgotten over a hundred."""
        self._slow_step_s = max(duration_s, _FORGETTING * self._slow_step_s)

    def held_back(self, streams: Mapping[int, Stream], now_s: float) -> set[int]:
        """The slots that sit out the next step.

        Answers that are given whole when they are over are never among them: nobody is ahead of the end.
        """
        if not any(_is_waited_for(stream) for stream in streams.values()):
            return set()
        return {
            slot
            for slot, stream in streams.items()
            if stream.is_played and stream.listener.lead_s(now_s) >= self.lead_s
        }


def _is_waited_for(stream: Stream) -> bool:
    """Whether the first sound of a spoken answer, or the first token of any other or of a tool call, is to come."""
    if stream.request.mode in (Mode.SAY, Mode.REPLY_AUDIO) and stream.made.tool_tokens == 0:
        return stream.times.first_audio_s is None
    return stream.times.first_token_s is None
