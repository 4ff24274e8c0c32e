"""Bytes of sound files in every format that is read, and what they hold."""

import contextlib
import io

import av
import numpy as np
import soundfile
import soxr
import torch
from av.error import FFmpegError

from omni_audio.audio.formats import FORMATS, SoundFormat
from omni_audio.audio.reader import SoundReader
from omni_audio.audio.units import SAMPLE_RATE_HZ

_PIECE_SAMPLES = 4096
_OUTPUT_FORMATS = {"pcmu": "mulaw", "opus": "ogg"}
"""Formats of answers whose files are called otherwise."""
_PCM16_RATE_HZ = 24_000


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


def _form(output_format: str) -> SoundFormat:
    return FORMATS[_OUTPUT_FORMATS.get(output_format, output_format)]


def decoded(data: bytes, output_format: str) -> np.ndarray:
    """The sound of a spoken answer, (S,) float32 at 16 kHz."""
    if output_format == "pcm16":
        samples_S = np.frombuffer(data, "<i2").astype(np.float32) / 32768
        return soxr.resample(samples_S, _PCM16_RATE_HZ, SAMPLE_RATE_HZ)
    with contextlib.closing(SoundReader(io.BytesIO(data), _form(output_format), "answer")) as sound:
        return torch.cat(list(sound)).numpy()


def decoded_so_far(data: bytes, output_format: str) -> float:
    """Seconds of sound that the first bytes of an answer hold."""
    form, read_s = _form(output_format), 0.0
    with (
        contextlib.suppress(FFmpegError),
        av.open(io.BytesIO(data), format=form.demuxer, container_options=dict(form.options)) as file,
    ):
        for frame in file.decode(audio=0):
            read_s += frame.samples / frame.sample_rate
    return read_s
