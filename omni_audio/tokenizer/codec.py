"""One interface for every speech codec that is measured: our tokenizer at each number of codebooks, and its peers.

A codec takes 16 kHz samples and gives 16 kHz samples; what it does inside (another rate, a padded last frame) is its
own affair. The bits are counted as coded: without a container, the last frame whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require, require_range
from omni_audio.tokenizer.tokenizer import AudioTokenizer


class BaselineWeights(Enum):
    """Weights of a learned peer: random ones cost the same time as trained ones, and no quality is measured on them."""

    random = "random"
    pretrained = "pretrained"


@dataclass(frozen=True, slots=True)
class CodedSpeech:
    """One coded utterance.

    Attributes:
        codes: what the codec that made it can decode; opaque to all others.
        num_bits: size of the codes.
        num_samples: of the utterance, 16 kHz.
    """

    codes: Any
    num_bits: int
    num_samples: int


class Codec(Protocol):
    """A codec at one operating point."""

    @property
    def name(self) -> str:
        """The codec without its operating point."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Rate that it works at inside."""
        ...

    @property
    def kbps(self) -> float:
        """Nominal bit rate of this operating point, kbit/s."""
        ...

    @property
    def num_parameters(self) -> int | None:
        """Learned numbers; None for a codec that is not learned."""
        ...

    @property
    def is_trained(self) -> bool:
        """Whether what it decodes says anything about its quality."""
        ...

    def encode(self, pcm_S: Tensor) -> CodedSpeech:
        """Codes of (S,) 16 kHz samples in [-1, 1], S > 0."""
        ...

    def decode(self, coded: CodedSpeech) -> Tensor:
        """As many 16 kHz samples as were encoded, perhaps some milliseconds late."""
        ...


@runtime_checkable
class StreamingCodec(Codec, Protocol):
    """A codec that can be fed step by step."""

    @property
    def step_samples(self) -> int:
        """16 kHz samples of one step."""
        ...

    def open_stream(self) -> Callable[[Tensor], Tensor]:
        """A function that encodes and decodes the next (step_samples,) samples; what it gives lags by the delay."""
        ...


class TokenizerCodec:
    """Our tokenizer with the first codebooks kept; the semantic code travels along and is counted.

    Args:
        tokenizer: in evaluation mode.
        num_codebooks: acoustic codebooks kept, 1 to all.

    Raises:
        ValueError: the tokenizer has fewer codebooks.
    """

    name = "omni_audio"
    sample_rate_hz = SAMPLE_RATE_HZ
    is_trained = True

    def __init__(self, tokenizer: AudioTokenizer, num_codebooks: int) -> None:
        require_range("num_codebooks", num_codebooks, 1, tokenizer.config.vq.num_codebooks)
        self.tokenizer = tokenizer
        self.num_codebooks = num_codebooks
        self.step_samples = tokenizer.config.frame_samples
        self.kbps = tokenizer.config.kilobits_per_second(num_codebooks)
        self.num_parameters = count_parameters(tokenizer)

    def encode(self, pcm_S: Tensor) -> CodedSpeech:
        codes = self.tokenizer.encode(check_clip(pcm_S)[None])
        num_bits = round(codes.semantic_BF.shape[1] * self.kbps * 1000 / self.tokenizer.config.frame_rate_hz)
        kept = (codes.semantic_BF, codes.acoustic_BFK[..., : self.num_codebooks])
        return CodedSpeech(kept, num_bits, pcm_S.numel())

    def decode(self, coded: CodedSpeech) -> Tensor:
        return fit_length(self.tokenizer.decode(coded.codes[1])[0], coded.num_samples)

    def open_stream(self) -> Callable[[Tensor], Tensor]:
        encoder = self.tokenizer.initial_encoder_state()
        decoder = self.tokenizer.initial_decoder_state()

        def step(pcm_S: Tensor) -> Tensor:
            nonlocal encoder, decoder
            codes, encoder = self.tokenizer.encode_stream(pcm_S[None], encoder)
            pcm_BS, decoder = self.tokenizer.decode_stream(
                codes.acoustic_BFK[..., : self.num_codebooks], decoder
            )
            return pcm_BS[0]

        return step


def count_parameters(module: nn.Module) -> int:
    """Learned numbers of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def check_clip(pcm_S: Tensor) -> Tensor:
    """Returns the clip.

    Raises:
        ValueError: it is not (S,), or has no samples.
    """
    shape = tuple(pcm_S.shape)
    require(
        len(shape) == 1 and shape[0] > 0,
        "pcm_S.shape",
        shape,
        "(S,) with S >= 1",
        "Pass one mono clip with sound.",
    )
    return pcm_S


def fit_length(pcm_S: Tensor, num_samples: int) -> Tensor:
    """Cuts, or fills with zeros at the end."""
    return F.pad(pcm_S[:num_samples], (0, max(0, num_samples - pcm_S.numel())))


def resample(pcm_S: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """(S,) samples at another rate, with no delay."""
    if from_hz == to_hz:
        return pcm_S
    return torch.from_numpy(soxr.resample(pcm_S.numpy(), from_hz, to_hz))


def to_pcm16(pcm_S: Tensor) -> npt.NDArray[np.int16]:
    """(S,) float samples as 16-bit integers; those outside -1..1 saturate."""
    return (pcm_S.clamp(-1, 1).numpy() * 32767).round().astype(np.int16)


def from_pcm16(samples: npt.NDArray[np.int16]) -> Tensor:
    """16-bit integers as (S,) float32 samples."""
    return torch.from_numpy(samples.astype(np.float32) / 32767)
