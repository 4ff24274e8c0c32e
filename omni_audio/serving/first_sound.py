"""Who waits for whom: a request that has given nothing yet goes before answers that are ahead of their listeners."""

from collections.abc import Mapping
from typing import Final

from omni_audio.model.sequence import Mode
from omni_audio.serving.stream import Stream

SAFE_LEAD_S: Final = 0.24
"""Sound in hand, three frames, that an answer needs before it is held back."""


def ahead_of_listener(streams: Mapping[int, Stream], now_s: float) -> set[int]:
    """The slots that sit out the next step, so that it is sooner over for the streams that have given nothing yet.

    Who listens to one of them hears no gap: it has made at least `SAFE_LEAD_S` more than is heard.
    """
    if not any(_is_waited_for(stream) for stream in streams.values()):
        return set()
    return {slot for slot, stream in streams.items() if stream.listener.lead_s(now_s) >= SAFE_LEAD_S}


def _is_waited_for(stream: Stream) -> bool:
    """Whether the first sound of a spoken answer, or the first token of any other, is still to come."""
    speaks = stream.request.mode in (Mode.SAY, Mode.REPLY_AUDIO)
    return (stream.times.first_audio_s if speaks else stream.times.first_token_s) is None
