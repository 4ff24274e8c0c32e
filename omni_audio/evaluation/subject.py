"""What the scorers ask of the system under test."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from omni_audio.evaluation.memory import WeightBytes


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """An answer in text: its words, each tool call as raw JSON text, and whether it ended by a stop token."""

    text: str
    raw_calls: tuple[str, ...]
    stopped: bool


@dataclass(frozen=True, slots=True)
class SpokenAnswer:
    """A spoken answer: its transcript by the model, and its (S,) samples, which may be empty."""

    text: str
    pcm_S: Tensor


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """A spoken answer to one stream: its (S,) samples, and seconds until their first chunk; None without sound."""

    pcm_S: Tensor
    first_audio_s: float | None


@dataclass(frozen=True, slots=True)
class EncodedAudio:
    """Codes of one clip: the tokenizer's own object, its frames, and the bits it takes as emitted."""

    codes: object
    num_frames: int
    num_bits: float


class Subject(Protocol):
    """The system under test. Where it takes many requests, answers come in their order, each as if asked alone."""

    def transcribe(self, requests: Iterable[Tensor]) -> list[str]:
        """The words of each (S,) samples."""
        ...

    def answer_text(self, requests: Iterable[Tensor | str]) -> list[TextAnswer]:
        """The answers in text to spoken (S,) or written requests, tools offered."""
        ...

    def answer_speech(self, requests: Iterable[Tensor]) -> list[SpokenAnswer]:
        """The spoken answers to spoken (S,) requests, no tools offered."""
        ...

    def say(self, texts: Iterable[str], takes: int) -> list[Tensor]:
        """(S,) samples that speak each text, the best of so many takes by its own judgement; may be empty."""
        ...

    def answer_alone(self, pcm_S: Tensor) -> TimedAnswer:
        """The spoken answer to one (S,) request, streamed with nothing beside it."""
        ...

    def encode(self, pcm_S: Tensor) -> EncodedAudio:
        """Codes of (S,) samples."""
        ...

    def decode(self, encoded: EncodedAudio) -> Tensor:
        """(S,) samples of codes."""
        ...

    def weights(self) -> WeightBytes:
        """Tokenizer and model weights as loaded."""
        ...

    def untrained(self, seed: int) -> "Subject":
        """The same architecture and tokenizer with random model weights."""
        ...
