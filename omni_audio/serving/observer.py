"""What the engine tells of its work; what becomes of it is the listener's affair."""

from __future__ import annotations

from typing import Protocol

from omni_audio.serving.stream import Outcome, Stream


class EngineObserver(Protocol):
    """Hears of steps and of ended streams, between two steps: it must return at once and raise nothing."""

    def step_ended(self, duration_s: float) -> None:
        """A step of all open slots is over: network, vocoder and handing out (engine's thread)."""
        ...

    def stream_ended(self, stream: Stream, outcome: Outcome) -> None:
        """A stream is over, or was not let in; its times and counts are final (either thread)."""
        ...


class Observers:
    """Tells several observers, or none, of the same.

    Args:
        observers: told one after the other.
    """

    def __init__(self, *observers: EngineObserver) -> None:
        self._observers = observers

    def step_ended(self, duration_s: float) -> None:
        """Tells each of a step."""
        for observer in self._observers:
            observer.step_ended(duration_s)

    def stream_ended(self, stream: Stream, outcome: Outcome) -> None:
        """Tells each of a stream that is over."""
        for observer in self._observers:
            observer.stream_ended(stream, outcome)
