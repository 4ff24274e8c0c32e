"""Reads open sound files in constant memory: as arrays of 16 kHz mono samples.

Nothing here loads PyTorch, so that a process that only decodes starts fast and stays small.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import BinaryIO, Final

import av
import numpy as np
import numpy.typing as npt
import soxr
from av.audio.frame import AudioFrame
from av.error import FFmpegError

from omni_audio.audio.formats import AudioError, SoundFormat
from omni_audio.audio.length import missing_bytes, stated_duration_s, states_length
from omni_audio.audio.ogg_pages import damaged_page
from omni_audio.audio.units import SAMPLE_RATE_HZ

MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 192_000
MAX_CHANNELS: Final = 8
MAX_MAGNITUDE: Final = 2.0**32
"""Of a float sample, where 1 is full scale: integers that nobody scaled stay below it."""
BLOCK_SAMPLES: Final = 10 * SAMPLE_RATE_HZ
"""Least samples of a block, but for the last: 10 s."""

_INTEGER_SCALES = {"s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
_NEAR_FULL_SCALE = 0.98
"""Where two equal samples in a row are the flat top of a clipped wave; mu-law ends here too."""

_Pcm = npt.NDArray[np.float32]
_Channels = npt.NDArray[np.float64]


class BlockReader:
    """One sound, read once by `blocks()`: (S,) float32 at 16 kHz, the mean of the channels.

    It raises AudioError where the sound is damaged, cut short, too long, holds samples that are not finite, or has a
    rate or number of channels out of range. What memory it takes does not grow with the sound.

    Args:
        file: the open file, at its start.
        form: its format; nothing but this format's demuxer is used.
        source: name of the sound in messages.
        max_duration_s: the longest sound that is accepted, seconds.
        allows_cut: take a wav or an ogg file that ends before its header or its last page does as far as it goes.

    Attributes:
        num_samples: of the blocks so far, at 16 kHz.
        read_s: read so far, seconds.
        expected_s: length by the header, or as FFmpeg reckons it, seconds; None if neither can say.
    """

    def __init__(
        self,
        file: BinaryIO,
        form: SoundFormat,
        source: str,
        max_duration_s: float = math.inf,
        allows_cut: bool = False,
    ) -> None:
        if not max_duration_s > 0:
            raise AudioError("max_duration_s", max_duration_s, "a number above 0", "Set a positive limit.")
        self._form, self._source, self._max_duration_s = form, source, max_duration_s
        self._rate_hz = self._num_source_samples = 0
        self._num_clipped = self._num_values = 0
        self.num_samples = 0
        self._missing = None if allows_cut else missing_bytes(file, form)
        is_length_stated = states_length(file, form)
        with self._damage_named():
            self._container = av.open(
                file, mode="r", format=form.demuxer, container_options=dict(form.options)
            )
        if not self._container.streams.audio or self._container.streams.audio[0].codec_context is None:
            self.close()
            raise AudioError(
                source, "no audio stream", "a stream of a known codec", "Check how the file was made."
            )
        self._stream = self._container.streams.audio[0]
        self._stated_s = stated_duration_s(self._container, self._stream, form) if is_length_stated else None
        duration = self._container.duration
        self.expected_s = duration / av.time_base if self._stated_s is None and duration else self._stated_s
        try:
            self._check_stated(file)
        except AudioError:
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the file."""
        self._container.close()

    @property
    def read_s(self) -> float:
        return self._num_source_samples / self._rate_hz if self._rate_hz else 0.0

    @property
    def clipped_share(self) -> float:
        """Share of the samples read so far that lie beyond full scale or on the flat top of a wave, 0..1."""
        return self._num_clipped / max(self._num_values, 1)

    def blocks(self) -> Iterator[_Pcm]:
        """Yields the sound in blocks of BLOCK_SAMPLES or more; the last may be shorter."""
        parts: list[_Pcm] = []
        num_given = 0
        for part in self._resampled():
            parts.append(part)
            self.num_samples += len(part)
            if self.num_samples - num_given >= BLOCK_SAMPLES:
                yield np.concatenate(parts)
                parts, num_given = [], self.num_samples
        if self.num_samples > num_given:
            yield np.concatenate(parts)
        self._check_end()

    def _resampled(self) -> Iterator[_Pcm]:
        resampler: soxr.ResampleStream | None = None
        for frame in self._frames():
            if self._rate_hz == 0:
                self._rate_hz = check_rate(frame.sample_rate)
                if self._rate_hz != SAMPLE_RATE_HZ:
                    resampler = soxr.ResampleStream(
                        self._rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ"
                    )
            elif frame.sample_rate != self._rate_hz:
                allowed = f"{self._rate_hz} throughout"
                raise AudioError("rate_hz", frame.sample_rate, allowed, "Join parts of one rate only.")
            self._num_source_samples += frame.samples
            self._check_duration(self.read_s)
            mono = self._mono(frame)
            yield mono if resampler is None else resampler.resample_chunk(mono)
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)

    def _check_stated(self, file: BinaryIO) -> None:
        """Refuses what can be told before anything is decoded: a stated length over the limit, damaged pages."""
        is_ogg = self._form.name == "ogg"
        self._check_duration((self.expected_s if is_ogg else self._stated_s) or 0.0)
        if not is_ogg:
            return
        place = file.tell()
        damaged_at = damaged_page(file)
        file.seek(place)
        if damaged_at is not None:
            raise AudioError(
                self._source,
                f"a damaged page at byte {damaged_at}",
                "a whole ogg file",
                "Get the file again, or make it again.",
            )

    def _check_duration(self, duration_s: float) -> None:
        if duration_s > self._max_duration_s:
            limit = f"{self._max_duration_s:g} s"
            raise AudioError("duration", f"> {limit}", f"at most {limit}", "Cut the sound into pieces.")

    def _frames(self) -> Iterator[AudioFrame]:
        with self._damage_named():
            yield from self._container.decode(self._stream)

    @contextlib.contextmanager
    def _damage_named(self) -> Iterator[None]:
        try:
            yield
        except (FFmpegError, EOFError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, FFmpegError) else str(error)
            raise AudioError(
                self._source,
                f"{reason} after {self.read_s:.2f} s of sound",
                f"a whole {self._form.name} file",
                "The file is damaged or cut short: get all of it, or make it again.",
            ) from error

    def _mono(self, frame: AudioFrame) -> _Pcm:
        """Mean of the channels of one decoded frame, (S,) float32 in -1..1."""
        channels = _channels(frame)
        mono = channels.mean(axis=0)
        if not np.abs(mono).max(initial=0.0) <= MAX_MAGNITUDE:  # NaN compares with nothing
            where = f"NaN, infinity or beyond {MAX_MAGNITUDE:.0f} at {self.read_s:.2f} s"
            raise AudioError("samples", where, "finite numbers", "Check how the file was made.")
        magnitudes = np.abs(channels)
        is_flat = (channels[:, 1:] == channels[:, :-1]) & (magnitudes[:, 1:] >= _NEAR_FULL_SCALE)
        self._num_clipped += int(((magnitudes[:, 1:] > 1.0) | is_flat).sum())
        self._num_values += channels.size
        return np.ascontiguousarray(mono, dtype=np.float32)

    def _check_end(self) -> None:
        if self.num_samples == 0:
            raise AudioError(self._source, "0 samples", "at least one sample", "Check how the file was made.")
        missing = self._missing
        stated_s = self._stated_s
        if stated_s is not None and self.read_s + self._form.length_tolerance_s < stated_s:
            missing = f"{stated_s:.2f} s, as its header states"
        if missing is not None:
            raise AudioError(
                self._source,
                f"{self.read_s:.2f} s of sound",
                missing,
                "The file is cut short: get all of it, or make it again.",
            )


def check_rate(rate_hz: int) -> int:
    """Returns the rate.

    Raises:
        AudioError: it is outside 8..192 kHz.
    """
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise AudioError("rate_hz", rate_hz, f"{MIN_RATE_HZ} to {MAX_RATE_HZ}", "Resample the sound first.")
    return rate_hz


def _channels(frame: AudioFrame) -> _Channels:
    """Samples of one decoded frame, (channels, S) in -1..1."""
    num_channels = frame.layout.nb_channels
    if not 1 <= num_channels <= MAX_CHANNELS:
        raise AudioError("channels", num_channels, f"1 to {MAX_CHANNELS}", "Mix the sound down first.")
    kind = frame.format.name.removesuffix("p")
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, num_channels).T
    if kind in _INTEGER_SCALES:
        return samples / np.float64(_INTEGER_SCALES[kind])
    if kind == "u8":
        return (samples.astype(np.float64) - 128.0) / 128.0
    if kind not in ("flt", "dbl"):
        raise AudioError(
            "sample format", kind, "integer or float PCM", "Convert the file, for example to wav."
        )
    return samples.astype(np.float64)
