"""What a stream gives, one event after the other."""

from dataclasses import dataclass
from enum import Enum

from torch import Tensor

from omni_audio.model.logprobs import IdLogprobs


class FinishReason(Enum):
    """Why a stream ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


@dataclass(slots=True)
class TextToken:
    """An id of the answer's text (or of its transcript); with probabilities where the request asks for them."""

    slot: int
    id: int
    logprobs: IdLogprobs | None = None


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
    """The answer is over; its slot is free again, unless the stream is held (Generator.listen)."""

    slot: int
    reason: FinishReason


@dataclass(slots=True)
class Failed:
    """The answer cannot go on; its slot is free again, held or not. The other streams go on."""

    slot: int
    error: ValueError


Event = TextToken | ToolToken | AudioFrame | Finished | Failed
