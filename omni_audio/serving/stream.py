"""One request's way out of the engine: typed events, a bounded outbox and the times that were measured."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from omni_audio.audio.units import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from omni_audio.model.logprobs import TokenLogprobs
    from omni_audio.model.request import GenerationRequest
    from omni_audio.model.sequence import TokenSequence


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Some words of the answer (or of its transcript); may be empty while a character is incomplete.

    `logprobs` are of the one token that it came of, where the request asks for them.
    """

    text: str
    num_tokens: int = 1
    logprobs: TokenLogprobs | None = None


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """Some characters of a tool call's JSON text, perhaps none; `starts_call` with the first of each call."""

    text: str
    starts_call: bool
    num_tokens: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class AudioDelta:
    """Some samples of the answer, perhaps none: (S,) float32, 16 kHz."""

    pcm_S: np.ndarray
    num_frames: int = 1


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The last event of a stream that went well; reason is "stop", "length" or "tool_calls"."""

    reason: str


StreamEvent: TypeAlias = TextDelta | ToolDelta | AudioDelta | StreamEnd


class Outcome(Enum):
    """What became of a stream.

    Attributes:
        COMPLETED: it came to its end, or its reader had all it wanted.
        CANCELLED: its client left.
        STALLED: it was dropped, since its reader was too slow.
        FAILED: by a fault, or the prompt was refused.
        REJECTED: it was never let in, the queue was full.
    """

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    STALLED = "stalled"
    FAILED = "failed"
    REJECTED = "rejected"


@dataclass(kw_only=True, slots=True)
class EngineCounters:
    """How streams ended since the start."""

    admitted: int = 0
    completed: int = 0
    cancelled: int = 0
    stalled: int = 0
    failed: int = 0
    rejected: int = 0

    def as_dict(self) -> dict[str, int]:
        """Returns the counters by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


class StreamFailedError(Exception):
    """The stream ended by a fault; the text is for the log, not for the client."""


class StoppedError(StreamFailedError):
    """The server was stopped before the stream was over."""


class PromptRefusedError(StreamFailedError):
    """The generator would not take the prompt; the text names the reason and may be shown."""


class FormFailedError(StreamFailedError):
    """The form that the request asks for could not be followed to its end; the text may be shown."""


@dataclass(kw_only=True, slots=True)
class StreamTimes:
    """Points in time (monotonic, seconds) of one stream; None until they come."""

    submitted_s: float
    admitted_s: float | None = None
    first_token_s: float | None = None
    first_audio_s: float | None = None
    finished_s: float | None = None

    def since_submit_ms(self, point_s: float | None) -> float | None:
        """Milliseconds from submission to one of the points, None if it did not come."""
        return None if point_s is None else (point_s - self.submitted_s) * 1000

    @property
    def queue_ms(self) -> float | None:
        """Time spent waiting for a slot."""
        return self.since_submit_ms(self.admitted_s)

    @property
    def first_token_ms(self) -> float | None:
        """Time to the first token of any kind."""
        return self.since_submit_ms(self.first_token_s)

    @property
    def first_audio_ms(self) -> float | None:
        """Time to the first samples."""
        return self.since_submit_ms(self.first_audio_s)


@dataclass(kw_only=True, slots=True)
class TokenCounts:
    """Tokens of one stream, and the samples (16 kHz) that came of them."""

    text_tokens: int = 0
    tool_tokens: int = 0
    audio_frames: int = 0
    samples: int = 0

    @property
    def total_tokens(self) -> int:
        """All positions that were generated."""
        return self.text_tokens + self.tool_tokens + self.audio_frames

    def add(self, event: StreamEvent) -> None:
        """Counts the tokens and samples of an event."""
        if isinstance(event, TextDelta):
            self.text_tokens += event.num_tokens
        elif isinstance(event, ToolDelta):
            self.tool_tokens += event.num_tokens
        elif isinstance(event, AudioDelta):
            self.audio_frames += event.num_frames
            self.samples += event.pcm_S.size

    def add_counts(self, other: TokenCounts) -> None:
        """Adds what another stream counted."""
        self.text_tokens += other.text_tokens
        self.tool_tokens += other.tool_tokens
        self.audio_frames += other.audio_frames
        self.samples += other.samples


@dataclass(slots=True)
class Listener:
    """Somebody who plays the sound from its first sample on, as it is made.

    Attributes:
        num_underruns: how often sound was due and not there; it goes on when it comes.
    """

    num_underruns: int = 0
    _heard_until_s: float | None = None

    def take(self, now_s: float, num_samples: int) -> None:
        """Takes samples (16 kHz) that were made now."""
        if num_samples == 0:
            return
        until_s = now_s if self._heard_until_s is None else self._heard_until_s
        self.num_underruns += now_s > until_s
        self._heard_until_s = max(now_s, until_s) + num_samples / SAMPLE_RATE_HZ

    def lead_s(self, now_s: float) -> float:
        """Seconds of sound that were made and are not heard yet."""
        return 0.0 if self._heard_until_s is None else max(0.0, self._heard_until_s - now_s)


class Stream:
    """A request on its way through the engine; written by the engine's thread, read by one asyncio task.

    Args:
        prompt: the sequence that the model reads.
        request: what to generate and how.
        max_total_tokens: ends the stream with "length"; None leaves the limits of `request`.
        limit_events: events that may wait for the reader; more and the stream is dropped as stalled.
        owner: name of the key that asked.
        is_played: whether the reader gets the sound as it is made, and so may hear it at once.
        loop: the reader's event loop.
        request_number: the same for all streams of one request.
    """

    def __init__(
        self,
        prompt: TokenSequence,
        request: GenerationRequest,
        *,
        max_total_tokens: int | None,
        limit_events: int,
        owner: str,
        loop: asyncio.AbstractEventLoop,
        request_number: int = 0,
        is_played: bool = True,
    ) -> None:
        self.prompt = prompt
        self.request = request
        self.max_total_tokens = max_total_tokens
        self.owner = owner
        self.is_played = is_played
        self.request_number = request_number
        self.times = StreamTimes(submitted_s=time.monotonic())
        self.made = TokenCounts()
        """What the engine made; it may be ahead of the reader."""
        self.delivered = TokenCounts()
        """What the reader took; the same for the same request, whatever the timing."""
        self.listener = Listener()
        self.cancelled = threading.Event()
        self.cancel_outcome = Outcome.CANCELLED
        """What it becomes once the engine sees that it is cancelled."""
        self.outcome: Outcome | None = None
        """None while it waits or runs."""
        self._limit_events = limit_events
        self._loop = loop
        self._lock = threading.Lock()
        self._events: deque[StreamEvent | StreamFailedError] = deque()
        self._ready = asyncio.Event()

    def put(self, event: StreamEvent) -> bool:
        """Hands an event to the reader (engine's thread).

        Returns:
            False if the outbox is full: the reader stalled.
        """
        with self._lock:
            if len(self._events) >= self._limit_events and not isinstance(event, StreamEnd):
                return False
            self._events.append(event)
        self._wake_reader()
        return True

    def fail(self, error: StreamFailedError) -> None:
        """Ends the stream by a fault (engine's thread); always fits."""
        with self._lock:
            self._events.append(error)
        self._wake_reader()

    async def get(self) -> StreamEvent:
        """Waits for the next event (reader).

        Raises:
            StreamFailedError: the stream ended by a fault.
        """
        while True:
            with self._lock:
                if self._events:
                    event = self._events.popleft()
                    break
                self._ready.clear()
            await self._ready.wait()
        if isinstance(event, StreamFailedError):
            raise event
        self.delivered.add(event)
        return event

    def _wake_reader(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._ready.set)
        except RuntimeError:  # the loop is closed: nobody will read
            self.cancelled.set()
