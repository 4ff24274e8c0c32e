"""What the scorers ask of the system under test, and the same asked of a build."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from omni_audio.evaluation.memory import WeightBytes


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """An answer in text: its words, and each tool call as raw JSON text."""

    text: str
    raw_calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpokenAnswer:
    """A spoken answer: its transcript by the model, its (S,) samples, seconds until its first chunk."""

    text: str
    pcm_S: Tensor | None
    first_audio_s: float | None


@dataclass(frozen=True, slots=True)
class EncodedAudio:
    """Codes of one clip: the tokenizer's own object, its frames, and the bits it takes as emitted."""

    codes: object
    num_frames: int
    num_bits: float


class Subject(Protocol):
    """The system under test, one request at a time."""

    def transcribe(self, pcm_S: Tensor) -> str:
        """The words of (S,) samples."""
        ...

    def answer_text(self, request: Tensor | str) -> TextAnswer:
        """The answer in text to a spoken (S,) or written request, tools offered."""
        ...

    def answer_speech(self, pcm_S: Tensor) -> SpokenAnswer:
        """The spoken answer to a spoken request, no tools offered."""
        ...

    def say(self, text: str) -> Tensor:
        """(S,) samples that speak the text; may be empty."""
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
