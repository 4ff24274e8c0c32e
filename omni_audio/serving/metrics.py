"""What one server did, as Prometheus metrics in a registry of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.serving.stream import Outcome, Stream

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

FIRST_BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30)
STEP_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.5, 1, 5)
"""0.08 s is a frame: steps below it keep up with a listener."""

FACTOR_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 0.9, 1, 1.25, 1.5, 2, 5, 10)

_DIRECTIONS = {"in": "prompt", "out": "completion"}


class Load(Protocol):
    """What the gauges read when they are asked for; the engine is one."""

    @property
    def num_active(self) -> int:
        """Slots in use."""
        ...

    @property
    def num_pending(self) -> int:
        """Streams that wait for a slot."""
        ...


class ServerMetrics:
    """Counts requests, and hears of steps and streams as the engine's observer.

    Args:
        num_slots: streams that run at once.
    """

    def __init__(self, num_slots: int) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "omni_audio_requests",
            "Answered HTTP requests; status 499 where the client left before an answer.",
            ["route", "status"],
            registry=registry,
        )
        self._waiting = Gauge("omni_audio_queue_length", "Streams that wait for a slot.", registry=registry)
        slots = Gauge("omni_audio_slots", "Streams that run at once.", registry=registry)
        slots.set(num_slots)
        self._busy = Gauge("omni_audio_slots_busy", "Slots in use.", registry=registry)
        streams = Counter(
            "omni_audio_streams",
            "Ended streams: completed; cancelled, the client left; stalled, dropped as the reader was too slow; "
            "failed; rejected, the queue was full.",
            ["outcome"],
            registry=registry,
        )
        self._streams = {outcome: streams.labels(outcome.value) for outcome in Outcome}
        self._slow_readers = Counter(
            "omni_audio_slow_readers",
            "Readers that were dropped as too slow, before or after their stream was made to its end.",
            registry=registry,
        )
        self._decoder_restarts = Counter(
            "omni_audio_decoder_restarts",
            "Starts of the process that decodes clips after one of them had ended.",
            registry=registry,
        )
        self._underruns = Counter(
            "omni_audio_underruns",
            "How often sound was due and not made yet, at a listener who plays each answer from its first sample on.",
            registry=registry,
        )
        tokens = Counter(
            "omni_audio_tokens",
            "Positions that were read (prompt) and made (completion), by what they hold; audio is frames of 80 ms.",
            ["direction", "kind"],
            registry=registry,
        )
        self._prompt_text = tokens.labels("prompt", "text")
        self._prompt_audio = tokens.labels("prompt", "audio")
        self._completion_text = tokens.labels("completion", "text")
        self._completion_audio = tokens.labels("completion", "audio")

        self._cost = Counter(
            "omni_audio_cost",
            "What answers cost at the prices of the configuration, by the tokens that it is for.",
            ["model", "currency", "direction", "kind"],
            registry=registry,
        )

        def histogram(name: str, says: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"omni_audio_{name}", says, buckets=buckets, registry=registry)

        self._prompt = histogram(
            "prompt_seconds",
            "Decoding and encoding a prompt, waiting for the one worker that does it included.",
            FIRST_BUCKETS_S,
        )
        self._first_token = histogram(
            "first_token_seconds",
            "From a stream's submission to its first token of any kind, waiting for a slot included.",
            FIRST_BUCKETS_S,
        )
        self._first_audio = histogram(
            "first_audio_seconds",
            "From a stream's submission to its first samples, waiting for a slot included.",
            FIRST_BUCKETS_S,
        )
        self._step = histogram("step_seconds", "One step of all open slots.", STEP_BUCKETS_S)
        self._factor = histogram(
            "real_time_factor",
            "Of completed spoken answers: seconds in the slot a second of sound; below 1 is faster than it is heard.",
            FACTOR_BUCKETS,
        )

    def watch(self, load: Load) -> None:
        """Lets the gauges read queue and slots from `load` whenever they are asked for."""
        self._waiting.set_function(lambda: load.num_pending)
        self._busy.set_function(lambda: load.num_active)

    def request_answered(self, route: str, status: int) -> None:
        """Counts a request.

        Args:
            route: the route's path template, never the path that was sent: its values are without end.
            status: HTTP status of the answer.
        """
        self._requests.labels(route, str(status)).inc()

    def reader_dropped(self) -> None:
        """Counts a reader that was too slow for a stream which had ended otherwise."""
        self._slow_readers.inc()

    def costs_added(self, model: str, currency: str, costs: Mapping[str, float]) -> None:
        """Adds what an answer costs.

        Args:
            model: the id that was asked for, one that the server has.
            currency: of the costs.
            costs: by the names of TokenUse.
        """
        for name, cost in costs.items():
            kind, direction = name.split("_")
            self._cost.labels(model, currency, _DIRECTIONS[direction], kind).inc(cost)

    def stream_refused(self) -> None:
        """Counts a request that was refused for want of a place before it became a stream."""
        self._streams[Outcome.REJECTED].inc()

    def decoder_restarted(self) -> None:
        """Counts a start of the decoder process after another one had ended."""
        self._decoder_restarts.inc()

    def prompt_prepared(self, duration_s: float) -> None:
        """Takes the time from a checked request to its submission to the engine."""
        self._prompt.observe(duration_s)

    def step_ended(self, duration_s: float) -> None:
        """Takes the time of a step."""
        self._step.observe(duration_s)

    def stream_ended(self, stream: Stream, outcome: Outcome) -> None:
        """Takes times and counts of a stream; its prompt counts once it had a slot."""
        self._streams[outcome].inc()
        if outcome is Outcome.STALLED:
            self._slow_readers.inc()
        times, made = stream.times, stream.made
        if times.admitted_s is None:
            return
        self._underruns.inc(stream.listener.num_underruns)
        num_frames = stream.prompt.num_frames
        self._prompt_audio.inc(num_frames)
        self._prompt_text.inc(len(stream.prompt) - num_frames)
        self._completion_audio.inc(made.audio_frames)
        self._completion_text.inc(made.text_tokens + made.tool_tokens)
        if times.first_token_s is not None:
            self._first_token.observe(times.first_token_s - times.submitted_s)
        if times.first_audio_s is not None:
            self._first_audio.observe(times.first_audio_s - times.submitted_s)
        if outcome is Outcome.COMPLETED and times.finished_s is not None and made.samples > 0:
            sound_s = made.samples / SAMPLE_RATE_HZ
            self._factor.observe((times.finished_s - times.admitted_s) / sound_s)

    def render(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self._registry)
