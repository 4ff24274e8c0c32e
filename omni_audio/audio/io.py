"""Reads and writes whole sounds in memory; `audio.reader` and `audio.writer` do so block by block."""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from omni_audio.audio.clip import decode_clip
from omni_audio.audio.reader import open_sound
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.audio.writer import open_writer

DEFAULT_MAX_DURATION_S: Final = 3600.0


def load_audio(path: str | Path, max_duration_s: float = DEFAULT_MAX_DURATION_S) -> Tensor:
    """Reads a sound file as 16 kHz mono.

    Args:
        path: a file of a format in `omni_audio.audio.formats`; its content says which it is, and only formats without
            a header are known by the name's suffix.
        max_duration_s: the longest sound that is accepted, seconds.

    Returns:
        (S,) float32; the mean of the channels.

    Raises:
        AudioError: if the file is missing, empty, not sound of these formats, damaged, cut short, too long, holds
            samples that are not finite, or has a rate or number of channels out of range.
    """
    with open_sound(Path(path), max_duration_s) as sound:
        return torch.cat(list(sound))


def decode_audio(
    data: bytes, declared_format: str | None = None, max_duration_s: float = DEFAULT_MAX_DURATION_S
) -> Tensor:
    """Decodes the bytes of a sound file as 16 kHz mono.

    Args:
        data: the whole file.
        declared_format: what the sender says it is, as of `decode_clip`; it must agree with the content. None accepts
            every format that has a header.
        max_duration_s: the longest sound that is accepted, seconds.

    Returns:
        (S,) float32; the mean of the channels.

    Raises:
        AudioError: as for `load_audio`, and if the declared format is unknown or not what the bytes hold.
    """
    return torch.from_numpy(decode_clip(data, declared_format, max_duration_s))


def save_wav(path: str | Path, pcm_S: Tensor, rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Writes a PCM16 wav file; it appears whole or not at all.

    Args:
        path: where; the folder must exist.
        pcm_S: (S,), S >= 1, finite. Samples outside -1..1 saturate, as PCM16 does.
        rate_hz: sample rate, 8000..192000.

    Raises:
        AudioError: for a bad shape, samples that are not finite, a bad rate, or a folder that does not exist.
    """
    _save(path, pcm_S, rate_hz, "WAV")


def write_flac(path: str | Path, pcm_S: Tensor, rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Writes a 16-bit FLAC file; arguments, atomicity and errors as `save_wav`."""
    _save(path, pcm_S, rate_hz, "FLAC")


def _save(path: str | Path, pcm_S: Tensor, rate_hz: int, container: str) -> None:
    with open_writer(Path(path), rate_hz, container) as writer:
        writer.write(pcm_S)
