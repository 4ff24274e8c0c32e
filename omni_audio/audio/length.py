"""What a sound file says about its own length, so that a file that was cut short is never taken for a whole one.

A stream that was written without knowing its end (a pipe, a live recording) states nothing and cannot be checked.
"""

import io
import struct
from typing import BinaryIO

import av.container
from av.audio.stream import AudioStream

from omni_audio.audio.formats import SoundFormat

_UNSTATED_FROM_BYTES = 0x7FFF_F000
"""Sizes from here on are what programs write into a wav header that do not know the length."""
_HEADER_SLACK_BYTES = 44
"""Some programs count the header of a wav into its data."""
_LAST_PAGE_BYTES = 2**16 + 27
"""At least the largest page of an ogg file."""
_OGG_HEADER_BYTES = 27
_OGG_EXPECTED = "a whole page at its end"
_MP3_TAGS = (b"Xing", b"Info", b"VBRI")


def missing_bytes(file: BinaryIO, form: SoundFormat) -> str | None:
    """What the end of the file lacks, in words; None if nothing, or if the format does not tell in bytes.

    Args:
        file: open file; it is left at its start.
        form: its format.
    """
    size = file.seek(0, io.SEEK_END)
    missing = None
    if form.name == "wav":
        missing = _missing_of_wav(file, size)
    elif form.name == "ogg":
        missing = _missing_of_ogg(file, size)
    file.seek(0)
    return missing


def states_length(file: BinaryIO, form: SoundFormat) -> bool:
    """Whether FFmpeg's length of this file is read from its header, not reckoned from its size.

    Args:
        file: open file; it is left at its start.
        form: its format.
    """
    if form.name == "mp3":
        head = file.read(10)
        tag_bytes = 10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))
        file.seek(tag_bytes if head[:3] == b"ID3" else 0)
        first_frame = file.read(256)
        file.seek(0)
        return any(tag in first_frame for tag in _MP3_TAGS)
    return form.name in ("flac", "aiff", "au", "webm", "mp4")


def stated_duration_s(
    container: av.container.InputContainer, stream: AudioStream, form: SoundFormat
) -> float | None:
    """Length of a stream by the header of its container, seconds; None if that says nothing certain."""
    if form.name != "webm":
        return None if stream.duration is None else float(stream.duration * (stream.time_base or 0))
    # states the length of all streams together; where a stream has one of its own, FFmpeg reckoned it
    if stream.duration is not None or container.duration is None or len(container.streams) > 1:
        return None
    return container.duration / av.time_base


def _missing_of_wav(file: BinaryIO, size: int) -> str | None:
    """Compares the data chunk with the file."""
    file.seek(0)
    is_rf64 = file.read(4) == b"RF64"
    place = 12
    large_bytes = 0
    while place + 8 <= size:
        file.seek(place)
        name, num_bytes = struct.unpack("<4sI", file.read(8))
        place += 8
        if name == b"ds64" and is_rf64:  # sizes of more than 32 bits: of the file, then of the data
            large_bytes = int.from_bytes(file.read(16)[8:], "little")
        if name == b"data":
            stated = large_bytes if is_rf64 else num_bytes if num_bytes < _UNSTATED_FROM_BYTES else 0
            num_there = size - place
            if num_there + _HEADER_SLACK_BYTES < stated:
                return f"the {stated} bytes of sound that its header states, of which {num_there} are there"
            return None
        place += num_bytes + num_bytes % 2
    return None


def _missing_of_ogg(file: BinaryIO, size: int) -> str | None:
    """Looks whether the last page is whole."""
    file.seek(max(size - _LAST_PAGE_BYTES, 0))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < _OGG_HEADER_BYTES:
        return _OGG_EXPECTED
    num_segments = page[26]
    segments = page[_OGG_HEADER_BYTES : _OGG_HEADER_BYTES + num_segments]
    is_whole = len(page) >= _OGG_HEADER_BYTES + num_segments + sum(segments)
    return None if is_whole else _OGG_EXPECTED
