"""Bytes of sound files in every format that is read."""

import io

import av
import numpy as np
import soundfile

_PIECE_SAMPLES = 4096


def tone(num_samples: int = 16_000, rate_hz: int = 16_000) -> np.ndarray:
    """440 Hz at half of full scale, (S,) float32."""
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(num_samples) / rate_hz)).astype(np.float32)


def encoded(
    container: str,
    rate_hz: int = 16_000,
    channels: int = 1,
    subtype: str | None = None,
    pcm: np.ndarray | None = None,
) -> bytes:
    """A file that libsndfile writes; by default a second of the tone."""
    buffer = io.BytesIO()
    pcm = tone() if pcm is None else pcm
    soundfile.write(buffer, np.repeat(pcm[:, None], channels, 1), rate_hz, format=container, subtype=subtype)
    return buffer.getvalue()


def muxed(container: str, codec: str, pcm: np.ndarray, rate_hz: int, **options: str) -> bytes:
    """A file that FFmpeg writes, of (S,) float32 samples."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout="mono")
        for start in range(0, len(pcm), _PIECE_SAMPLES):
            piece = np.ascontiguousarray(pcm[None, start : start + _PIECE_SAMPLES])
            frame = av.AudioFrame.from_ndarray(piece, format="flt", layout="mono")
            frame.sample_rate, frame.pts = rate_hz, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()
