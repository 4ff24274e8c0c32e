"""The engine: one thread steps a generator over all open slots and hands out text and sound as they come."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from omni_audio.model.events import AudioFrame, Failed, Finished, FinishReason, TextToken, ToolToken
from omni_audio.model.piece_decoder import Piece, PieceDecoder, decode_frames
from omni_audio.model.text_form import FormError
from omni_audio.serving.errors import overloaded
from omni_audio.serving.first_sound import FirstSound
from omni_audio.serving.observer import EngineObserver, Observers
from omni_audio.serving.stream import (
    AudioDelta,
    EngineCounters,
    FormFailedError,
    Outcome,
    PromptRefusedError,
    StoppedError,
    Stream,
    StreamEnd,
    StreamEvent,
    StreamFailedError,
    TextDelta,
    ToolDelta,
)

if TYPE_CHECKING:
    from omni_audio.model.events import Event
    from omni_audio.model.generate import Generator
    from omni_audio.model.request import GenerationRequest
    from omni_audio.model.sequence import TokenSequence

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S = 10.0
READ_S = 0.08
"""Prompts are read for so long before a step, or one piece of one; more wait for the next, so that no answer stalls."""


class Engine:
    """Continuous batching: streams join and leave the batch between two steps.

    Args:
        make_generator: gives a fresh generator; called again after a failed step, which leaves unknown state.
        make_decoder: gives the decoder of one stream's events (pending bytes, vocoder state), by its request.
        num_slots: streams that run at once.
        queue_limit: requests that may wait for a slot, each with all its streams; more get 503. A slot goes
            to the request that has the fewest.
        limit_positions: of all prompts that wait or are answered; more are refused with 503. None sets no limit.
        limit_events: events that may wait for one reader.
        observer: hears of steps and of ended streams; None tells nobody.
    """

    def __init__(
        self,
        make_generator: Callable[[], Generator],
        make_decoder: Callable[[GenerationRequest], PieceDecoder],
        *,
        num_slots: int,
        queue_limit: int,
        limit_events: int,
        limit_positions: int | None = None,
        observer: EngineObserver | None = None,
    ) -> None:
        self._make_generator = make_generator
        self._make_decoder = make_decoder
        self._num_slots = num_slots
        self._queue_limit = queue_limit
        self._limit_events = limit_events
        self._limit_positions = limit_positions
        self._numbers = itertools.count()
        self._observer: EngineObserver = Observers() if observer is None else observer
        self._generator: Generator = make_generator()
        self._wake = threading.Condition()
        self._pending: deque[Stream] = deque()
        self._active: dict[int, tuple[Stream, PieceDecoder]] = {}
        self._stopping = False
        self._first_sound = FirstSound()
        self._thread = threading.Thread(target=self._run, name="omni-audio-engine", daemon=True)
        self.counters = EngineCounters()

    # ---- called from the event loop ----

    def start(self) -> None:
        """Starts the engine's thread."""
        self._thread.start()

    def shut(self) -> None:
        """Lets nothing in any more and ends the open streams by an error, before the next step; returns at once."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    def stop(self) -> None:
        """Shuts the engine and waits for its thread."""
        self.shut()
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT_S)

    @property
    def is_ready(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive() and not self._stopping

    @property
    def num_active(self) -> int:
        """Slots in use."""
        return len(self._active)

    @property
    def num_pending(self) -> int:
        """Streams that wait for a slot."""
        return len(self._pending)

    def num_requests(self, owner: str | None = None) -> int:
        """Requests with a stream that runs or waits; None: of all keys."""
        with self._wake:
            return len({each.request_number for each in self._inside() if owner in (None, each.owner)})

    def _inside(self) -> list[Stream]:
        """The streams that run or wait; under the lock."""
        return [*(stream for stream, _ in self._active.values()), *self._pending]

    def _has_room(self, prompt: TokenSequence) -> bool:
        """Whether one request more may come in; under the lock."""
        prompts = {each.request_number: each.prompt for each in self._inside()}
        num_positions = len(prompt) + sum(map(len, prompts.values()))
        fits = self._limit_positions is None or num_positions <= self._limit_positions
        return fits and not self._stopping and len(prompts) < self._num_slots + self._queue_limit

    def submit(
        self,
        prompt: TokenSequence,
        requests: Sequence[GenerationRequest],
        *,
        max_total_tokens: int | None = None,
        owner: str = "",
        is_played: bool = True,
    ) -> list[Stream]:
        """Queues a stream for each of `requests`, all of the same prompt, or none of them; together they take a place.

        Call it from the event loop that will read them.

        Args:
            prompt: each stream reads it for itself.
            requests: at least one.
            max_total_tokens: of each stream; None leaves the limits of its request.
            owner: name of the key that asks.
            is_played: whether its reader gets the sound as it is made.

        Raises:
            ApiError: 503, there is no place, or the prompts that are inside are too long for another one.
        """
        loop, number = asyncio.get_running_loop(), next(self._numbers)
        make = partial(
            Stream,
            max_total_tokens=max_total_tokens,
            limit_events=self._limit_events,
            owner=owner,
            loop=loop,
            request_number=number,
            is_played=is_played,
        )
        streams = [make(prompt, request) for request in requests]
        with self._wake:
            if not self._has_room(prompt):
                for stream in streams:
                    self._count(stream, Outcome.REJECTED)
                raise overloaded()
            self._pending.extend(streams)
            self._wake.notify_all()
        return streams

    def count_refused(self) -> None:
        """Counts a request that was refused for want of a place before it became a stream."""
        with self._wake:
            self.counters.rejected += 1

    def cancel(self, stream: Stream, outcome: Outcome = Outcome.CANCELLED) -> None:
        """Frees the stream's place before the next step; harmless once it has ended.

        Args:
            stream: a stream of this engine.
            outcome: what it counts as: COMPLETED where the reader has all it wants (a stop sequence), STALLED where
                it was too slow.
        """
        with self._wake:
            if stream.cancelled.is_set():
                return
            stream.cancel_outcome = outcome
            stream.cancelled.set()
            if stream in self._pending:
                self._pending.remove(stream)
                self._count(stream, outcome)
            self._wake.notify_all()

    # ---- the engine's thread ----

    def _run(self) -> None:
        failure: StreamFailedError = StoppedError("the engine was stopped")
        try:
            with torch.inference_mode():
                while self._wait_for_work():
                    self._close_cancelled()
                    start_s = time.monotonic()
                    self._admit(start_s + READ_S)
                    if self._active:
                        step_s = time.monotonic()
                        self._step()
                        self._observer.step_ended(time.monotonic() - step_s)
                        self._first_sound.step_ended(time.monotonic() - start_s)
        except Exception as error:
            logger.exception("the engine's loop failed; the server is no longer ready")
            failure = StreamFailedError(repr(error))
        with self._wake:
            self._stopping = True
            waiting = list(self._pending)
            self._pending.clear()
        for slot in list(self._active):
            self._fail(slot, failure)
        for stream in waiting:
            self._count(stream, Outcome.FAILED)
            stream.fail(failure)

    def _wait_for_work(self) -> bool:
        with self._wake:
            while not (self._stopping or self._pending or self._active):
                self._wake.wait()
            return not self._stopping

    def _close_cancelled(self) -> None:
        for slot, (stream, _) in list(self._active.items()):
            if stream.cancelled.is_set():
                self._end(slot, stream.cancel_outcome)

    def _admit(self, until_s: float) -> None:
        """Opens waiting streams in free slots, one at the least, until that time."""
        free = [slot for slot in range(self._num_slots) if slot not in self._active]
        for number, slot in enumerate(free):
            if number > 0 and time.monotonic() >= until_s:
                return
            with self._wake:
                if not self._pending:
                    return
                stream = self._next_pending()
                # Taken under the lock, so that submit() never sees the stream in neither place.
                self._active[slot] = (stream, self._make_decoder(stream.request))
            stream.times.admitted_s = time.monotonic()
            self.counters.admitted += 1
            try:
                self._generator.open(slot, stream.prompt, stream.request)
            except ValueError as error:
                self._fail(slot, PromptRefusedError(str(error)))
            except Exception as error:
                logger.exception("prefill failed in slot %d", slot)
                self._fail(slot, StreamFailedError(repr(error)))

    def _next_pending(self) -> Stream:
        """Takes what runs next: the oldest stream of the request that has the fewest slots; under the lock."""
        slots = Counter(stream.request_number for stream, _ in self._active.values())
        stream = min(self._pending, key=lambda each: slots[each.request_number])
        self._pending.remove(stream)
        return stream

    def _step(self) -> None:
        try:
            streams = {slot: stream for slot, (stream, _) in self._active.items()}
            held_back = self._first_sound.held_back(streams, time.monotonic())
            events = self._generator.step(held_back, READ_S)
        except Exception as error:
            logger.exception("a step failed with %d open streams", len(self._active))
            for slot in list(self._active):
                self._fail(slot, StreamFailedError(repr(error)), close=False)
            self._generator = self._make_generator()
            return
        frames = self._frames(events)
        for event in events:
            if event.slot not in self._active:  # ended by an earlier event of this step
                continue
            try:
                self._dispatch(event, frames.get(event.slot))
            except Exception as error:
                logger.exception("the output of slot %d failed", event.slot)
                self._fail(event.slot, StreamFailedError(repr(error)))

    def _frames(self, events: list[Event]) -> dict[int, Tensor]:
        """The step's frames through the vocoder in one pass, (1, S) by slot; none where one of them cannot be decoded.

        A frame that is not in it is decoded alone, so that only the stream at fault ends.
        """
        spoken: dict[int, tuple[PieceDecoder, AudioFrame]] = {}
        for event in events:
            if isinstance(event, AudioFrame) and event.slot in self._active:
                stream, decoder = self._active[event.slot]
                if not stream.cancelled.is_set():
                    spoken[event.slot] = (decoder, event)
        try:
            return dict(zip(spoken, decode_frames(list(spoken.values())), strict=True))
        except Exception:
            logger.exception("decoding %d frames together failed", len(spoken))
            return {}

    def _dispatch(self, event: Event, frame_BS: Tensor | None) -> None:
        slot = event.slot
        stream, decoder = self._active[slot]
        if stream.cancelled.is_set():
            return
        if isinstance(event, Failed):
            failure = FormFailedError if isinstance(event.error, FormError) else StreamFailedError
            self._fail(slot, failure(str(event.error)))
            return
        if isinstance(event, Finished):
            self._finish(slot, event.reason)
            return
        now_s = time.monotonic()
        if stream.times.first_token_s is None:
            stream.times.first_token_s = now_s
        made = _delta(event, decoder.push(event, frame_BS))
        if isinstance(made, AudioDelta) and made.pcm_S.size > 0 and stream.times.first_audio_s is None:
            stream.times.first_audio_s = time.monotonic()
        if isinstance(made, AudioDelta):
            stream.listener.take(time.monotonic(), made.pcm_S.size)
        stream.made.add(made)
        if not stream.put(made):
            self._end(slot, Outcome.STALLED)
            stream.fail(StreamFailedError("the reader stalled"))
        elif stream.max_total_tokens is not None and stream.made.total_tokens >= stream.max_total_tokens:
            self._finish(slot, FinishReason.LENGTH)

    def _finish(self, slot: int, reason: FinishReason) -> None:
        stream, decoder = self._active[slot]
        rest = decoder.push(Finished(slot, reason))
        last: list[StreamEvent] = [TextDelta(rest.text, 0)] if rest.text else []
        if rest.pcm_S is not None:
            last.append(AudioDelta(_samples(rest.pcm_S), 0))
        for event in last:
            stream.made.add(event)
        self._end(slot, Outcome.COMPLETED)
        for event in (*last, StreamEnd(reason.value)):
            stream.put(event)

    def _fail(self, slot: int, failure: StreamFailedError, *, close: bool = True) -> None:
        stream, _ = self._active[slot]
        self._end(slot, Outcome.FAILED, close=close)
        stream.fail(failure)

    def _end(self, slot: int, outcome: Outcome, *, close: bool = True) -> None:
        """Frees the slot and counts the stream; the reader is told by the caller, if it is to be told."""
        stream, _ = self._active[slot]
        stream.times.finished_s = time.monotonic()
        if close:
            try:
                self._generator.close(slot)
            except Exception:
                logger.exception("closing slot %d failed", slot)
        with self._wake:
            del self._active[slot]
        self._count(stream, outcome)

    # ---- called from both threads ----

    def _count(self, stream: Stream, outcome: Outcome) -> None:
        with self._wake:
            stream.outcome = outcome
            setattr(self.counters, outcome.value, getattr(self.counters, outcome.value) + 1)
        self._observer.stream_ended(stream, outcome)

    def snapshot(self) -> dict[str, Any]:
        """Returns the counters and gauges, for /health and tests."""
        return {"active": self.num_active, "pending": self.num_pending, **self.counters.as_dict()}


def _delta(event: TextToken | ToolToken | AudioFrame, piece: Piece) -> StreamEvent:
    """The reader's event: what the piece holds, counted as what the generator made."""
    if isinstance(event, TextToken):
        return TextDelta(piece.text, logprobs=piece.logprobs)
    if isinstance(event, ToolToken):
        return ToolDelta(piece.tool, piece.starts_call)
    assert piece.pcm_S is not None
    return AudioDelta(_samples(piece.pcm_S))


def _samples(pcm_S: Tensor) -> np.ndarray:
    return np.ascontiguousarray(pcm_S.float().cpu().numpy())
