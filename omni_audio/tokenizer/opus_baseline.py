"""Opus (libopus through PyAV) behind the codec interface: a classical codec that needs no weights.

Constant bit rate, application `voip`, 60 ms frames, the longest that the speech layer codes in one piece: at its lowest
rates Opus is best so. 6 kbit/s is the lowest rate that its authors name for speech (RFC 6716, section 2.1.1).
"""

import struct
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require_range
from omni_audio.tokenizer.codec import CodedSpeech, check_clip, fit_length, to_pcm16

FRAME_MS = 60
STEP_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
LOOKAHEAD_SAMPLES = 104  # 6.5 ms at 16 kHz: what libopus names as pre-skip at this rate
DECODER_RATE_HZ = 48_000
MIN_KBPS, MAX_KBPS = 6.0, 64.0


class OpusBaseline:
    """Opus at a constant bit rate.

    Args:
        kbps: 6 to 64.

    Raises:
        ValueError: another bit rate.
    """

    name = "opus"
    sample_rate_hz = SAMPLE_RATE_HZ
    num_parameters = None
    is_trained = True
    step_samples = STEP_SAMPLES

    def __init__(self, kbps: float) -> None:
        require_range("opus kbps", kbps, MIN_KBPS, MAX_KBPS)
        self.kbps = kbps

    def encode(self, pcm_S: Tensor) -> CodedSpeech:
        num_samples = check_clip(pcm_S).numel()
        missing = -(num_samples + LOOKAHEAD_SAMPLES) % STEP_SAMPLES
        encoder = _PacketEncoder(self.kbps)
        packets: list[bytes] = []
        for chunk_S in F.pad(pcm_S, (0, LOOKAHEAD_SAMPLES + missing)).split(STEP_SAMPLES):
            packets += encoder(chunk_S)
        packets += encoder.flush()
        num_packets = -(-(num_samples + LOOKAHEAD_SAMPLES) // STEP_SAMPLES)
        packets = packets[:num_packets]  # what the encoder makes of its own filling is not needed
        return CodedSpeech(packets, 8 * sum(len(packet) for packet in packets), num_samples)

    def decode(self, coded: CodedSpeech) -> Tensor:
        decoder = _PacketDecoder()
        parts = [decoder(packet) for packet in coded.codes]
        pcm_S = torch.cat([*parts, decoder.flush()])
        return fit_length(pcm_S[LOOKAHEAD_SAMPLES:], coded.num_samples)

    def open_stream(self) -> Callable[[Tensor], Tensor]:
        encoder, decoder = _PacketEncoder(self.kbps), _PacketDecoder()

        def step(pcm_S: Tensor) -> Tensor:
            return torch.cat([torch.zeros(0), *(decoder(packet) for packet in encoder(pcm_S))])

        return step


class _PacketEncoder:
    """(960,) samples -> packets."""

    def __init__(self, kbps: float) -> None:
        context = av.CodecContext.create("libopus", "w")
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate = SAMPLE_RATE_HZ
        context.format = "s16"
        context.layout = "mono"
        context.bit_rate = round(kbps * 1000)
        context.time_base = Fraction(1, SAMPLE_RATE_HZ)
        context.options = {"vbr": "off", "application": "voip", "frame_duration": str(FRAME_MS)}
        self.context = context
        self.position = 0

    def __call__(self, pcm_S: Tensor) -> list[bytes]:
        frame = av.AudioFrame.from_ndarray(to_pcm16(pcm_S)[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
        frame.pts = self.position
        self.position += pcm_S.numel()
        return [bytes(packet) for packet in self.context.encode(frame)]

    def flush(self) -> list[bytes]:
        return [bytes(packet) for packet in self.context.encode(None)]


class _PacketDecoder:
    """Packets -> 16 kHz samples; libopus decodes at 48 kHz, the rest is resampling."""

    def __init__(self) -> None:
        context = av.CodecContext.create("libopus", "r")
        assert isinstance(context, av.AudioCodecContext)
        # RFC 7845, section 5.1: version, channels, pre-skip (0: it is cut by the caller), input rate, gain, family
        context.extradata = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, SAMPLE_RATE_HZ, 0, 0)
        context.sample_rate = DECODER_RATE_HZ
        context.layout = "mono"
        self.context = context
        self.resampler = soxr.ResampleStream(DECODER_RATE_HZ, SAMPLE_RATE_HZ, 1, dtype="float32")

    def __call__(self, packet: bytes) -> Tensor:
        parts = [
            frame.to_ndarray().reshape(-1).astype(np.float32) / 32768
            for frame in self.context.decode(av.Packet(packet))
        ]
        return torch.from_numpy(self.resampler.resample_chunk(np.concatenate(parts)))

    def flush(self) -> Tensor:
        return torch.from_numpy(self.resampler.resample_chunk(np.zeros(0, np.float32), last=True))
