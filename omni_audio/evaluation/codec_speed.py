"""Speed of codecs beside one another: real-time factors, one stream, and the time of a streaming step.

The repeats alternate between the codecs and between the numbers of threads, so that a busy machine slows all alike.
Resampling inside a codec is part of its time.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require
from omni_audio.tokenizer.codec import Codec, StreamingCodec


@dataclass(slots=True)
class Timings:
    """Real-time factors, one of each repeat: seconds computed for one second of sound, below 1 is faster."""

    encode_rtf: list[float] = field(default_factory=list)
    decode_rtf: list[float] = field(default_factory=list)

    @property
    def both_rtf(self) -> list[float]:
        """Encoding and decoding together."""
        return [sum(pair) for pair in zip(self.encode_rtf, self.decode_rtf, strict=True)]


def time_codecs(
    codecs: Mapping[str, Codec], pcm_S: Tensor, threads: Sequence[int], repeats: int
) -> dict[tuple[str, int], Timings]:
    """Encodes and decodes one clip by each codec in turn.

    Args:
        codecs: name -> codec.
        pcm_S: (S,) the clip.
        threads: numbers of threads of torch; the number before is set again afterwards.
        repeats: at least 2, for a spread; an unmeasured one comes first.

    Returns:
        (name, threads) -> timings.
    """
    require(repeats >= 2, "repeats", repeats, "at least 2", "A spread needs two.")
    seconds = pcm_S.numel() / SAMPLE_RATE_HZ
    found = {(name, number): Timings() for number in threads for name in codecs}
    before = torch.get_num_threads()
    try:
        for repeat in range(-1, repeats):
            places = list(found) if repeat % 2 == 0 else list(found)[::-1]
            for name, number in places:
                torch.set_num_threads(number)
                start = time.perf_counter()
                coded = codecs[name].encode(pcm_S)
                middle = time.perf_counter()
                codecs[name].decode(coded)
                end = time.perf_counter()
                if repeat >= 0:
                    found[name, number].encode_rtf.append((middle - start) / seconds)
                    found[name, number].decode_rtf.append((end - middle) / seconds)
    finally:
        torch.set_num_threads(before)
    return found


def step_times_ms(codecs: Mapping[str, Codec], pcm_S: Tensor) -> dict[str, list[float]]:
    """Milliseconds of each step of a stream that encodes and decodes; codecs without streaming are left out.

    The first step of each stream is unmeasured; a last piece that does not fill a step is not fed.
    """
    found: dict[str, list[float]] = {}
    for name, codec in codecs.items():
        if not isinstance(codec, StreamingCodec):
            continue
        step = codec.open_stream()
        times: list[float] = []
        for chunk_S in pcm_S.split(codec.step_samples):
            if chunk_S.numel() == codec.step_samples:
                start = time.perf_counter()
                step(chunk_S)
                times.append((time.perf_counter() - start) * 1000)
        if len(times) > 2:
            found[name] = times[1:]
    return found


def speed_ratios(ours: Timings, peer: Timings) -> list[float]:
    """How many times as fast as the peer we are, encode and decode together, one ratio of each repeat."""
    return [theirs / own for own, theirs in zip(ours.both_rtf, peer.both_rtf, strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and extremes of two values or more, four digits."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    named = {
        "median": statistics.median(values),
        "q1": low,
        "q3": high,
        "min": min(values),
        "max": max(values),
    }
    return {name: float(f"{value:.4g}") for name, value in named.items()}
