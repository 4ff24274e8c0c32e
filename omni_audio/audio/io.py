"""Reads and writes sound files.

The container is sniffed from the first bytes and its demuxer is forced, so that FFmpeg never guesses what
hostile bytes might be (a playlist, a text, a device). Limits hold while decoding: a small file cannot grow
into hours.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
import soundfile
import soxr
import torch
from av.audio.frame import AudioFrame
from av.error import FFmpegError
from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import NotAllowedError

FORMATS: Final = ("wav", "flac", "ogg", "mp3", "webm")
MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 192_000
MAX_CHANNELS: Final = 8
DEFAULT_MAX_DURATION_S: Final = 3600.0

_DEMUXERS = {"wav": "wav", "flac": "flac", "ogg": "ogg", "mp3": "mp3", "webm": "matroska"}
_ALIASES = {
    "wave": "wav",
    "oga": "ogg",
    "opus": "ogg",
    "mpeg": "mp3",
    "mpga": "mp3",
    "weba": "webm",
    "mkv": "webm",
}
_INTEGER_SCALES = {"s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}

_Pcm = npt.NDArray[np.float32]


class AudioError(NotAllowedError):
    """A sound cannot be read or written."""


def load_audio(path: str | Path, max_duration_s: float = DEFAULT_MAX_DURATION_S) -> Tensor:
    """Reads a sound file as 16 kHz mono.

    Args:
        path: a wav, flac, ogg (Vorbis, Opus), mp3 or webm file; its name does not matter, its content does.
        max_duration_s: the longest sound that is accepted, seconds.

    Returns:
        (S,) float32; the mean of the channels.

    Raises:
        AudioError: if the file is missing, empty, not sound of these formats, damaged, too long, holds
            samples that are not finite, or has a rate or number of channels out of range.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError("path", str(path), "an existing file", "Check the path.")
    return _decode(path.read_bytes(), None, max_duration_s, source=str(path))


def decode_audio(
    data: bytes, declared_format: str | None = None, max_duration_s: float = DEFAULT_MAX_DURATION_S
) -> Tensor:
    """Decodes the bytes of a sound file as 16 kHz mono.

    Args:
        data: the whole file.
        declared_format: what the sender says it is ("wav", "flac", "ogg", "mp3", "webm" or an alias); it must
            agree with the content. None accepts every format.
        max_duration_s: the longest sound that is accepted, seconds.

    Returns:
        (S,) float32; the mean of the channels.

    Raises:
        AudioError: as for `load_audio`, and if the declared format is unknown or not what the bytes hold.
    """
    return _decode(data, declared_format, max_duration_s, source="data")


def sniff_format(data: bytes) -> str | None:
    """Format by the magic bytes: one of `FORMATS`, None if it is none of them."""
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "webm"
    # an ID3 tag, or the sync bits of an MPEG audio frame whose layer is III
    if data[:3] == b"ID3" or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2):
        return "mp3"
    return None


def save_wav(path: str | Path, pcm_S: Tensor, rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Writes a PCM16 wav file; it appears whole or not at all.

    Args:
        path: where; the folder must exist.
        pcm_S: (S,), S >= 1, finite. Samples outside -1..1 saturate, as PCM16 does.
        rate_hz: sample rate, 8000..192000.

    Raises:
        AudioError: for a bad shape, samples that are not finite, a bad rate, or a folder that does not exist.
    """
    _write(Path(path), pcm_S, rate_hz, "WAV")


def write_flac(path: str | Path, pcm_S: Tensor, rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Writes a 16-bit FLAC file; arguments, atomicity and errors as `save_wav`."""
    _write(Path(path), pcm_S, rate_hz, "FLAC")


def _decode(data: bytes, declared_format: str | None, max_duration_s: float, source: str) -> Tensor:
    if not max_duration_s > 0:
        raise AudioError("max_duration_s", max_duration_s, "a number above 0", "Set a positive limit.")
    if not data:
        raise AudioError(source, "an empty file", "a sound file", "Check how the file was made.")
    found = sniff_format(data)
    if found is None:
        raise AudioError(
            source, data[:12], f"sound in one of {FORMATS}", "Convert the file, for example to wav."
        )
    if declared_format is not None:
        declared = _ALIASES.get(declared_format.lower(), declared_format.lower())
        if declared not in FORMATS:
            raise AudioError(
                "format", declared_format, f"one of {FORMATS}", "Convert the file, for example to wav."
            )
        if declared != found:
            raise AudioError(
                "format", declared_format, f"{found!r}, which the content is", "Declare the true format."
            )
    try:
        with av.open(io.BytesIO(data), mode="r", format=_DEMUXERS[found]) as container:
            if not container.streams.audio:
                raise AudioError(
                    source, "no audio stream", "a file with sound", "Check how the file was made."
                )
            pcm = _collect(container.decode(container.streams.audio[0]), max_duration_s, source)
    except (FFmpegError, EOFError, UnicodeDecodeError) as error:
        raise AudioError(
            source, str(error), f"a whole {found} file", "The file is damaged; make it again."
        ) from error
    return torch.from_numpy(pcm)


def _collect(frames: Iterator[AudioFrame], max_duration_s: float, source: str) -> _Pcm:
    """Mixes to mono and resamples frame by frame; stops at the first frame past the limit."""
    max_samples = round(max_duration_s * SAMPLE_RATE_HZ)
    resampler: soxr.ResampleStream | None = None
    rate_hz = 0
    num_source_samples = 0
    parts: list[_Pcm] = []
    for frame in frames:
        if rate_hz == 0:
            rate_hz = frame.sample_rate
            _check_rate(rate_hz)
            if rate_hz != SAMPLE_RATE_HZ:
                resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        elif frame.sample_rate != rate_hz:
            raise AudioError(
                "rate_hz", frame.sample_rate, f"{rate_hz} throughout", "Join parts of one rate only."
            )
        num_source_samples += frame.samples
        if num_source_samples * SAMPLE_RATE_HZ > max_samples * rate_hz:
            allowed = f"at most {max_duration_s:g} s"
            raise AudioError("duration", f"> {max_duration_s:g} s", allowed, "Cut the sound into pieces.")
        mono = _mono(frame)
        parts.append(mono if resampler is None else resampler.resample_chunk(mono))
    if resampler is not None:
        parts.append(resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    pcm = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
    if pcm.size == 0:
        raise AudioError(source, "0 samples", "at least one sample", "Check how the file was made.")
    return pcm


def _mono(frame: AudioFrame) -> _Pcm:
    """Mean of the channels of one decoded frame, (S,) float32 in -1..1."""
    num_channels = frame.layout.nb_channels
    if not 1 <= num_channels <= MAX_CHANNELS:
        raise AudioError("channels", num_channels, f"1 to {MAX_CHANNELS}", "Mix the sound down first.")
    kind = frame.format.name.removesuffix("p")
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, num_channels).T
    if kind in _INTEGER_SCALES:
        samples = samples / np.float64(_INTEGER_SCALES[kind])
    elif kind == "u8":
        samples = (samples.astype(np.float64) - 128.0) / 128.0
    elif kind not in ("flt", "dbl"):
        raise AudioError(
            "sample format", kind, "integer or float PCM", "Convert the file, for example to wav."
        )
    mono = samples.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mono).all() or np.abs(mono).max(initial=0.0) > np.finfo(np.float32).max:
        raise AudioError("samples", "NaN or infinity", "finite numbers", "Check how the file was made.")
    return np.ascontiguousarray(mono, dtype=np.float32)


def _check_rate(rate_hz: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise AudioError("rate_hz", rate_hz, f"{MIN_RATE_HZ} to {MAX_RATE_HZ}", "Resample the sound first.")


def _write(path: Path, pcm_S: Tensor, rate_hz: int, container: str) -> None:
    if pcm_S.dim() != 1 or pcm_S.numel() == 0:
        raise AudioError("pcm_S.shape", tuple(pcm_S.shape), "(S,) with S >= 1", "Give one mono sound.")
    if not pcm_S.is_floating_point():
        raise AudioError("pcm_S.dtype", str(pcm_S.dtype), "a float type", "Scale integers to -1..1 first.")
    if not torch.isfinite(pcm_S).all():
        raise AudioError("pcm_S", "NaN or infinity", "finite samples", "Check what made the sound.")
    _check_rate(rate_hz)
    if not path.parent.is_dir():
        raise AudioError("path", str(path), "a path in an existing folder", f"Make {path.parent} first.")
    samples = pcm_S.detach().float().clamp(-1.0, 1.0).cpu().numpy()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        soundfile.write(str(temporary), samples, rate_hz, format=container, subtype="PCM_16")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
