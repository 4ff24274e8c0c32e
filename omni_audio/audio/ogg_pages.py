"""Checks the pages of an ogg file: FFmpeg leaves damaged ones out and says nothing.

Source: RFC 3533, section 6.
"""

import zlib
from typing import BinaryIO, Final

_HEAD_BYTES: Final = 27
_CHECKSUM: Final = slice(22, 26)
_NUM_SEGMENTS_AT: Final = 26
_FLAGS_AT: Final = 5
_IS_LAST: Final = 0x04
_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits in reverse."""


def damaged_page(file: BinaryIO) -> int | None:
    """Where the first page begins whose bytes are not those that were written; None if there is none.

    A last page that is cut short is not damaged, and what follows the end of the sound is not looked at.

    Args:
        file: open ogg file; it is left at its start.
    """
    file.seek(0)
    place, is_over = 0, False
    damaged_at = None
    while len(head := file.read(_HEAD_BYTES)) == _HEAD_BYTES:
        if not head.startswith(b"OggS"):
            damaged_at = None if is_over else place
            break
        sizes = file.read(head[_NUM_SEGMENTS_AT])
        body = file.read(sum(sizes))
        if len(sizes) < head[_NUM_SEGMENTS_AT] or len(body) < sum(sizes):
            break
        blanked = head[: _CHECKSUM.start] + bytes(4) + head[_CHECKSUM.stop :]
        if _checksum(blanked + sizes + body) != int.from_bytes(head[_CHECKSUM], "little"):
            damaged_at = place
            break
        is_over = bool(head[_FLAGS_AT] & _IS_LAST)
        place += _HEAD_BYTES + len(sizes) + len(body)
    file.seek(0)
    return damaged_at


def _checksum(page: bytes) -> int:
    """CRC-32 of ogg: that of zlib for mirrored bytes, its register starting at 0 and neither mirrored nor inverted."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")
