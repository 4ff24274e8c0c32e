"""Time to the first sound, and real-time factors, for one stream at a time."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor
from tqdm import tqdm

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require
from omni_audio.evaluation.subject import TimedAnswer

REQUEST_S = 3.0
"""How long the requests are that the server and live replies are timed with."""


@dataclass(frozen=True, slots=True)
class ReplyTiming:
    """One spoken reply.

    Attributes:
        first_audio_s: from the end of the request (all of it handed over) to the first PCM chunk.
        wall_s: seconds until the whole reply was there.
        audio_s: seconds of sound in it, above 0.
    """

    first_audio_s: float
    wall_s: float
    audio_s: float


def time_replies(
    reply: Callable[[Tensor], TimedAnswer],
    requests: Sequence[Tensor],
    num_warmup: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[list[ReplyTiming], int]:
    """Times spoken replies one after the other.

    Args:
        reply: answers a request of (S,) samples.
        requests: at least one; the first `num_warmup` are also run once before, unmeasured.
        num_warmup: unmeasured replies.
        clock: seconds; replaced in tests.

    Returns:
        The timing of each reply that had sound, and how many had none.
    """
    require(len(requests) > 0, "len(requests)", 0, "at least 1", "Leave the figure out instead.")
    for pcm_S in requests[:num_warmup]:
        reply(pcm_S)
    timings: list[ReplyTiming] = []
    num_silent = 0
    for pcm_S in tqdm(requests, desc="latency", unit="reply"):
        start = clock()
        answer = reply(pcm_S)
        wall_s = clock() - start
        if answer.first_audio_s is None:
            num_silent += 1
        else:
            timings.append(ReplyTiming(answer.first_audio_s, wall_s, answer.pcm_S.numel() / SAMPLE_RATE_HZ))
    return timings, num_silent


def time_calls(
    function: Callable[[Tensor], object],
    inputs: Sequence[Tensor],
    num_warmup: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Wall seconds of function(input) for each input, after unmeasured calls on the first ones."""
    for value in inputs[:num_warmup]:
        function(value)
    seconds: list[float] = []
    for value in inputs:
        start = clock()
        function(value)
        seconds.append(clock() - start)
    return seconds


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that this share of the values does not pass."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
