"""Sound at the border of the server: clips in, answers out in the format that was asked for."""

from __future__ import annotations

import base64
import logging
import struct
from enum import Enum
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from omni_audio.audio.clip import PCM16_RATE_HZ
from omni_audio.audio.encoder import CODECS, SoundEncoder, has_encoder
from omni_audio.audio.stream_resampler import StreamResampler
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.serving.decoder import ClipRefusedError
from omni_audio.serving.errors import invalid_value, server_error
from omni_audio.serving.worker_process import WorkerGoneError

logger = logging.getLogger(__name__)

OUTPUT_RATE_HZ = PCM16_RATE_HZ
"""The rate of spoken answers as wav and pcm16."""

BYTES_PER_SAMPLE = 2
CHUNK_BYTES = 3 * BYTES_PER_SAMPLE
"""Streamed chunks are multiples of this: base64 groups of 3 bytes, samples of 2."""

UNKNOWN_LENGTH = 0xFFFF_FFFF
"""The data length in the header of a streamed wav: the end is not known yet."""


class OutputFormat(Enum):
    """Formats of spoken answers; all but wav and pcm16 need an encoder of PyAV."""

    WAV = "wav"
    PCM16 = "pcm16"
    MP3 = "mp3"
    FLAC = "flac"
    OPUS = "opus"
    AAC = "aac"
    PCMU = "pcmu"

    @property
    def is_served(self) -> bool:
        """Whether this installation can make it."""
        codec = CODECS.get(self.value)
        return codec is None or has_encoder(codec.encoder)


class ClipDecoder(Protocol):
    """What decodes clips; `serving.decoder.Decoder` does so in a process of its own."""

    def decode(self, data: bytes, declared_format: str | None, max_duration_s: float) -> np.ndarray:
        """As of `serving.decoder.Decoder`."""
        ...


def decode_clip(
    decoder: ClipDecoder, raw: bytes, declared_format: str | None, *, param: str, max_duration_s: float
) -> Tensor:
    """Decodes the bytes of one clip.

    Args:
        decoder: does it.
        raw: a whole sound.
        declared_format: what it must be; None takes every format that has a header.
        param: the parameter that holds it, for errors.
        max_duration_s: the longest clip that is taken, above 0.

    Returns:
        pcm_S, 16 kHz mono float32.

    Raises:
        ApiError: 400, not sound, of another type than declared, or too long; 500, the decoder is gone.
    """
    if not raw:
        raise invalid_value(param, f"Invalid '{param}': the clip is empty.", "invalid_audio")
    try:
        return torch.from_numpy(decoder.decode(raw, declared_format, max_duration_s))
    except ClipRefusedError as error:
        raise invalid_value(param, f"Invalid '{param}': {str(error)[:300]}", "invalid_audio") from None
    except WorkerGoneError:
        logger.exception("a clip could not be decoded")
        raise server_error() from None


class Pcm16Stream:
    """16 kHz float samples in, s16le bytes out; any chunking gives the same bytes.

    Args:
        rate_hz: of what comes out.
    """

    def __init__(self, rate_hz: int = OUTPUT_RATE_HZ) -> None:
        self._resampler = StreamResampler(SAMPLE_RATE_HZ, rate_hz)

    def feed(self, pcm_S: np.ndarray) -> bytes:
        """The bytes that these samples complete."""
        return _pcm16(self._resampler.feed(pcm_S))

    def finish(self) -> bytes:
        """The bytes that are left; call it once, last."""
        return _pcm16(self._resampler.finish())


def _pcm16(pcm_S: np.ndarray) -> bytes:
    return (np.clip(pcm_S, -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes()


class AnswerSound:
    """One spoken answer: 16 kHz float samples in, bytes of its format out as soon as they are complete.

    The bytes of wav are the samples alone: stream_header and whole_file put what belongs before them. Any
    chunking gives the same bytes; no samples give none. Close it, however the answer ends.

    Args:
        output_format: of the bytes.

    Raises:
        ValueError: PyAV lacks the format's encoder.
    """

    def __init__(self, output_format: OutputFormat) -> None:
        codec = CODECS.get(output_format.value)
        self._encoder = None if codec is None else SoundEncoder(codec)
        self._pcm16 = Pcm16Stream(OUTPUT_RATE_HZ if codec is None else codec.rate_hz)
        self._has_samples = False

    def feed(self, pcm_S: np.ndarray) -> bytes:
        """The bytes that these samples complete."""
        self._has_samples = self._has_samples or pcm_S.size > 0
        pcm16 = self._pcm16.feed(pcm_S)
        return pcm16 if self._encoder is None else self._encoder.feed(pcm16)

    def finish(self) -> bytes:
        """The bytes that are left; call it once, last."""
        pcm16 = self._pcm16.finish() if self._has_samples else b""
        return pcm16 if self._encoder is None else self._encoder.feed(pcm16) + self._encoder.finish()

    def close(self) -> None:
        """Lets go of the encoder, if there is one; harmless where that was done."""
        if self._encoder is not None:
            self._encoder.close()


class Base64Chunker:
    """Cuts a byte stream so that the base64 texts of its chunks may be joined.

    Each chunk but the last holds whole groups of 3 bytes, and whole samples: it can be played as it comes.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> str:
        """Base64 of what can go out now, perhaps ""."""
        self._rest += data
        ready = len(self._rest) // CHUNK_BYTES * CHUNK_BYTES
        chunk, self._rest = self._rest[:ready], self._rest[ready:]
        return base64.b64encode(chunk).decode("ascii")

    def finish(self) -> str:
        """Base64 of the rest, perhaps ""."""
        chunk, self._rest = self._rest, b""
        return base64.b64encode(chunk).decode("ascii")


def wav_header(num_data_bytes: int | None) -> bytes:
    """The 44 bytes before 24 kHz mono s16le samples; None where the length is not known yet (streams)."""
    data_bytes = UNKNOWN_LENGTH if num_data_bytes is None else num_data_bytes
    riff_bytes = UNKNOWN_LENGTH if num_data_bytes is None else num_data_bytes + 36
    byte_rate = OUTPUT_RATE_HZ * BYTES_PER_SAMPLE
    form = struct.pack(
        "<IHHIIHH", 16, 1, 1, OUTPUT_RATE_HZ, byte_rate, BYTES_PER_SAMPLE, 8 * BYTES_PER_SAMPLE
    )
    sizes = [struct.pack("<I", size) for size in (riff_bytes, data_bytes)]
    return b"RIFF" + sizes[0] + b"WAVEfmt " + form + b"data" + sizes[1]


def stream_header(output_format: OutputFormat) -> bytes:
    """The bytes that open a streamed answer of this format."""
    return wav_header(None) if output_format is OutputFormat.WAV else b""


def whole_file(data: bytes, output_format: OutputFormat) -> bytes:
    """A complete file of this format, of all bytes that its AnswerSound gave."""
    return wav_header(len(data)) + data if output_format is OutputFormat.WAV else data
