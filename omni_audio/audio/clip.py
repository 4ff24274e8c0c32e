"""Decodes a whole sound that somebody sent, in memory.

Nothing here loads PyTorch, so that a process that only decodes starts fast and stays small.
"""

import contextlib
import io
from typing import Final

import numpy as np
import numpy.typing as npt

from omni_audio.audio.block_reader import BlockReader
from omni_audio.audio.formats import FORMATS, AudioError, SoundFormat, find_format, format_named, sniff_format

DECLARABLE_FORMATS: Final = ("wav", "flac", "ogg", "mp3", "webm")
"""What a sender may say that bytes with a header are."""

PCM16_RATE_HZ: Final = 24_000
"""Of sound that is declared as pcm16, and of spoken answers."""

RAW_FORMATS: Final = {
    "pcmu": FORMATS["mulaw"],
    "pcm16": SoundFormat(
        name="pcm16",
        demuxer="s16le",
        suffixes=(),
        is_raw=True,
        options=(("sample_rate", str(PCM16_RATE_HZ)),),
    ),
}
"""What a sender may say that bytes without a header are: mono samples."""

_SAMPLE_BYTES: Final = {"pcmu": 1, "pcm16": 2}
_UNSURE_FORMATS: Final = ("mp3", "aac")
"""A few bits tell these; samples may hold them by chance."""


def decode_clip(
    data: bytes, declared_format: str | None, max_duration_s: float, allows_cut: bool = False
) -> npt.NDArray[np.float32]:
    """Decodes the bytes of a sound as 16 kHz mono.

    Args:
        data: all of it.
        declared_format: what the sender says it is: one of RAW_FORMATS, or of DECLARABLE_FORMATS or an alias of it,
            which must agree with the content. None accepts every format that has a header.
        max_duration_s: the longest sound that is accepted, seconds.
        allows_cut: take a wav or an ogg file that ends too early as far as it goes.

    Returns:
        (S,) float32; the mean of the channels.

    Raises:
        AudioError: it is empty, of an unknown or another format than declared, damaged, too long, holds samples that
            are not finite, or has a rate or number of channels out of range; cut short, unless that is allowed.
    """
    file = io.BytesIO(data)
    if declared_format in RAW_FORMATS:
        form = RAW_FORMATS[declared_format]
        _check_raw(data, declared_format)
    else:
        form = find_format(file, "data")
        _check_declared(declared_format, form)
    reader = BlockReader(file, form, "data", max_duration_s, allows_cut=allows_cut)
    with contextlib.closing(reader) as sound:
        return np.concatenate(list(sound.blocks()))


def _check_raw(data: bytes, declared_format: str) -> None:
    found = sniff_format(data[:16])
    if found is not None and found.name not in _UNSURE_FORMATS:
        raise AudioError(
            "format", declared_format, f"{found.name!r}, which the content is", "Declare the true format."
        )
    if not data or len(data) % _SAMPLE_BYTES[declared_format]:
        raise AudioError(
            "data", f"{len(data)} bytes", f"whole {declared_format} samples", "Send all of them."
        )


def _check_declared(declared_format: str | None, found: SoundFormat) -> None:
    if declared_format is None:
        return
    declared = format_named(declared_format)
    if declared is None or declared.name not in DECLARABLE_FORMATS:
        raise AudioError(
            "format",
            declared_format,
            f"one of {DECLARABLE_FORMATS}",
            "Convert the file, for example to wav.",
        )
    if declared != found:
        raise AudioError(
            "format", declared_format, f"{found.name!r}, which the content is", "Declare the true format."
        )
