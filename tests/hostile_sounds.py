"""Sound files that lie, swell or are broken, made byte by byte."""

import struct

import numpy as np

_CRC32 = []
for _byte in range(256):
    _value = _byte << 24
    for _ in range(8):
        _value = (_value << 1) ^ (0x04C11DB7 if _value & 0x8000_0000 else 0)
    _CRC32.append(_value & 0xFFFF_FFFF)


def wav(
    samples: bytes,
    *,
    rate_hz: int = 16_000,
    channels: int = 1,
    bits: int = 16,
    kind: int = 1,
    data_bytes: int | None = None,
    riff_bytes: int | None = None,
) -> bytes:
    """A wav whose header says what it is told; `kind` 1 is integers, 3 floats."""
    block = channels * bits // 8
    form = struct.pack(
        "<HHIIHH", kind, channels, rate_hz, (rate_hz * block) & 0xFFFF_FFFF, block & 0xFFFF, bits
    )
    stated = len(samples) if data_bytes is None else data_bytes
    size = 36 + len(samples) if riff_bytes is None else riff_bytes
    head = b"RIFF" + struct.pack("<I", size) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    return head + b"data" + struct.pack("<I", stated) + samples


def float_wav(*values: float) -> bytes:
    """A second of silence as floats, then these values, then silence."""
    samples = np.zeros(32_000, "<f4")
    samples[16_000 : 16_000 + len(values)] = values
    return wav(samples.tobytes(), bits=32, kind=3)


def flac_bomb(duration_s: float, *, states_length: bool, rate_hz: int = 8_000) -> bytes:
    """Silence of constant blocks of 65535 samples, 17 bytes each."""
    num_samples = int(duration_s * rate_hz)
    info = struct.pack(">HH", 65_535, 65_535) + bytes(6)
    total = num_samples if states_length else 0
    info += ((rate_hz << 44) | (0 << 41) | (15 << 36) | total).to_bytes(8, "big") + bytes(16)
    frames = bytearray()
    for index in range(num_samples // 65_535):
        head = b"\xff\xf8" + bytes([0x70 | (4 if rate_hz == 8_000 else 0), 0x08]) + _utf8(index) + b"\xff\xfe"
        frame = head + bytes([_crc(head, 0x07, 8)]) + b"\x00\x00\x00"
        frames += frame + _crc(frame, 0x8005, 16).to_bytes(2, "big")
    return b"fLaC" + b"\x80" + len(info).to_bytes(3, "big") + info + bytes(frames)


def opus_of_silence(duration_s: float) -> bytes:
    """Ogg-Opus of packets of 120 ms in pages of 255 packets."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 1) + b"x" + struct.pack("<I", 0)
    pages = [ogg_page(0, 2, 0, [head]), ogg_page(1, 0, 0, [tags])]
    packet = b"\xfb\x06" + b"\xff\xfe" * 6
    left, place = round(duration_s / 0.12), 0
    while left > 0:
        num_packets = min(left, 255)
        left -= num_packets
        place += num_packets * 5760
        pages.append(ogg_page(len(pages), 0 if left else 4, place, [packet] * num_packets))
    return b"".join(pages)


def ogg_page(number: int, flags: int, granule: int, packets: list[bytes]) -> bytes:
    """A page of whole packets, each below 255 bytes."""
    page = b"OggS" + struct.pack("<BBqIII", 0, flags, granule, 7, number, 0)
    page += bytes([len(packets)]) + bytes(map(len, packets)) + b"".join(packets)
    crc = 0
    for byte in page:
        crc = ((crc << 8) & 0xFFFF_FFFF) ^ _CRC32[(crc >> 24) ^ byte]
    return page[:22] + struct.pack("<I", crc) + page[26:]


def _utf8(number: int) -> bytes:
    """FLAC numbers its frames in the form of UTF-8."""
    return chr(number).encode("utf-8", "surrogatepass")


def _crc(data: bytes, polynomial: int, num_bits: int) -> int:
    value, top, mask = 0, 1 << (num_bits - 1), (1 << num_bits) - 1
    for byte in data:
        value ^= byte << (num_bits - 8)
        for _ in range(8):
            value = ((value << 1) ^ (polynomial if value & top else 0)) & mask
    return value
