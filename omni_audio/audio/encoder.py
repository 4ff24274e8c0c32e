"""Encodes sound into the bytes of a file, block by block and in memory, by the encoders of PyAV."""

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.audio.stream import AudioStream
from av.codec.codec import Codec, UnknownCodecError
from av.container import OutputContainer

from omni_audio.audio.formats import AudioError

_MUXER_OPTIONS: Final = (("flush_packets", "1"), ("fflags", "+bitexact"))
"""Each packet leaves at once; no random serial numbers or versions, so that equal sound has equal bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundCodec:
    """One format that sound is encoded in, always mono.

    Attributes:
        name: short name, in messages.
        encoder: FFmpeg's name of the encoder.
        muxer: FFmpeg's name of what puts packets into a file; it never has to go back in it.
        rate_hz: sample rate that the encoder is given.
        bit_rate: bits a second; None where the format has no choice.
        encoder_options: of the encoder.
        muxer_options: of the muxer.
    """

    name: str
    encoder: str
    muxer: str
    rate_hz: int
    bit_rate: int | None = None
    encoder_options: tuple[tuple[str, str], ...] = ()
    muxer_options: tuple[tuple[str, str], ...] = ()


CODECS: Final = {
    codec.name: codec
    for codec in (
        SoundCodec(
            name="mp3",
            encoder="libmp3lame",
            muxer="mp3",
            rate_hz=24_000,
            bit_rate=64_000,
            muxer_options=(("id3v2_version", "0"), ("write_xing", "0")),
        ),
        SoundCodec(name="flac", encoder="flac", muxer="flac", rate_hz=24_000),
        # A page for every packet of 20 ms: by default a page waits for a second of sound.
        SoundCodec(
            name="opus",
            encoder="libopus",
            muxer="ogg",
            rate_hz=24_000,
            bit_rate=32_000,
            encoder_options=(("application", "voip"), ("frame_duration", "20")),
            muxer_options=(("page_duration", "20000"),),
        ),
        SoundCodec(name="aac", encoder="aac", muxer="adts", rate_hz=24_000, bit_rate=64_000),
        SoundCodec(name="pcmu", encoder="pcm_mulaw", muxer="mulaw", rate_hz=8_000),
    )
}


@functools.cache
def has_encoder(encoder: str) -> bool:
    """Whether this build of PyAV has the encoder, by FFmpeg's name."""
    try:
        Codec(encoder, "w")
    except UnknownCodecError:
        return False
    return True


class SoundEncoder:
    """One file in the making: samples in, bytes out as soon as a packet is complete.

    Joined, the bytes are the whole file, the same however the sound was cut. Sound of no samples gives no bytes.
    Close it, also where the file is given up.

    Args:
        codec: the format.

    Raises:
        AudioError: PyAV lacks the encoder.
    """

    def __init__(self, codec: SoundCodec) -> None:
        if not has_encoder(codec.encoder):
            raise AudioError(
                "sound format",
                codec.name,
                f"a format whose encoder PyAV has ({codec.encoder} is missing)",
                "Choose another format, or install PyAV's own wheel: pip install av.",
            )
        self._rate_hz = codec.rate_hz
        self._sink = _Sink()
        self._num_samples = 0
        self._container: OutputContainer | None = av.open(
            self._sink,
            mode="w",
            format=codec.muxer,
            container_options=dict(_MUXER_OPTIONS + codec.muxer_options),
        )
        stream = self._container.add_stream(
            codec.encoder,
            rate=codec.rate_hz,
            options=dict(codec.encoder_options),
            layout="mono",
        )
        assert isinstance(stream, AudioStream)
        if codec.bit_rate is not None:
            stream.codec_context.bit_rate = codec.bit_rate
        self._stream: AudioStream | None = stream

    def feed(self, pcm16: bytes) -> bytes:
        """The bytes that further samples complete, perhaps none.

        Args:
            pcm16: whole mono samples, s16le at the codec's rate, perhaps none.

        Raises:
            AudioError: the file was finished or closed.
        """
        container, stream = self._open()
        if not pcm16:
            return b""
        samples_CS = np.frombuffer(pcm16, "<i2")[None].astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples_CS, format="s16", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.time_base = Fraction(1, self._rate_hz)
        frame.pts = self._num_samples
        self._num_samples += samples_CS.shape[1]
        container.mux(stream.encode(frame))
        return self._sink.take()

    def finish(self) -> bytes:
        """The bytes that are left; closes the encoder.

        Raises:
            AudioError: the file was finished or closed.
        """
        container, stream = self._open()
        if self._num_samples > 0:
            container.mux(stream.encode(None))
        self.close()
        return self._sink.take()

    def close(self) -> None:
        """Lets go of the encoder's memory; harmless where that was done."""
        container, self._container, self._stream = self._container, None, None
        if container is not None:
            container.close()

    def _open(self) -> tuple[OutputContainer, AudioStream]:
        if self._container is None or self._stream is None:
            raise AudioError("encoder", "closed", "one that is open", "Make one for each sound.")
        return self._container, self._stream


class _Sink:
    """Takes what a muxer writes; it cannot go back, as nothing that was sent can be changed."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        """Appends the bytes; called by the muxer."""
        self._written += data
        return len(data)

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = bytes(self._written)
        self._written.clear()
        return taken
