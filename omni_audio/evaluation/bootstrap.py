"""Bootstrap intervals: how far a figure could move if other items had been drawn.

Source: Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation".
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from omni_audio.checks import require

NUM_RESAMPLES = 2000
CONFIDENCE = 0.95
CHUNK = 100
WILSON_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its 95 % interval, all in the unit of the statistic.

    A percentile interval of the bootstrap; for shares of items that all agree, Wilson's (`share_interval`).
    """

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    num_items: int,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> Interval:
    """The percentile interval of a statistic over items drawn again with replacement.

    Args:
        statistic: takes item indexes (R, num_items) and gives R values, each made of its own row only.
        num_items: number of items, at least 1. One item gives an interval of no width.
        seed: of the draws; the same seed gives the same interval.
        num_resamples: how many sets are drawn.

    Raises:
        ValueError: no items, or no resamples.
    """
    require(
        num_items >= 1, "num_items", num_items, "at least 1", "A figure without items is left out, not made."
    )
    require(num_resamples >= 1, "num_resamples", num_resamples, "at least 1", "Use 2000.")
    value = float(statistic(np.arange(num_items)[None])[0])
    rng = np.random.default_rng(seed)
    values: list[np.ndarray] = []
    for start in range(0, num_resamples, CHUNK):
        rows = min(CHUNK, num_resamples - start)
        values.append(statistic(rng.integers(0, num_items, size=(rows, num_items))))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(np.concatenate(values), [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def ratio_interval(
    numerators: Sequence[float],
    denominators: Sequence[float],
    scale: float = 1.0,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> Interval:
    """A corpus-level rate: scale * sum(numerators) / sum(denominators), items drawn in pairs.

    Raises:
        ValueError: no items, unequal lengths, or denominators that sum to 0.
    """
    top, bottom = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    require(
        top.shape == bottom.shape,
        "len(denominators)",
        len(bottom),
        f"{len(top)}, one per numerator",
        "Pass both counts of every item.",
    )
    require(
        bottom.size == 0 or float(bottom.sum()) > 0,
        "sum(denominators)",
        float(bottom.sum()),
        "above 0",
        "Score items that have something to be counted against.",
    )

    def rate(index_RN: np.ndarray) -> np.ndarray:
        below = bottom[index_RN].sum(axis=1)
        above = top[index_RN].sum(axis=1)
        # A resample made only of items that count nothing has no rate: left out of the quantiles.
        return scale * np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)

    return bootstrap(rate, top.size, seed, num_resamples)


def mean_interval(values: Sequence[float], scale: float = 1.0, seed: int = 0) -> Interval:
    """The mean times `scale`, with its interval."""
    return ratio_interval(values, [1.0] * len(values), scale, seed)


def share_interval(flags: Sequence[float], scale: float = 1.0, seed: int = 0) -> Interval:
    """The share of true items times `scale`, with its interval.

    Where all items agree, every resample does too and the bootstrap says nothing: then the ends are those of Wilson's
    score interval (Wilson 1927), so that 0 of 8 is 0 to 32 %.

    Raises:
        ValueError: no items, or a value that is neither 0 nor 1.
    """
    odd = sorted({float(flag) for flag in flags} - {0.0, 1.0})
    require(not odd, "flags", odd[:3], "0 or 1 for each item", "Use mean_interval for other values.")
    found = mean_interval(flags, scale, seed)
    if found.low < found.high:
        return found
    share, num_items = found.value / scale, len(flags)
    middle = share + WILSON_Z**2 / (2 * num_items)
    half = WILSON_Z * math.sqrt(share * (1 - share) / num_items + (WILSON_Z / (2 * num_items)) ** 2)
    below = 1 + WILSON_Z**2 / num_items
    low, high = max(0.0, (middle - half) / below), min(1.0, (middle + half) / below)
    return Interval(found.value, scale * min(low, share), scale * max(high, share))


def quantile_interval(
    values: Sequence[float], quantile: float, scale: float = 1.0, seed: int = 0
) -> Interval:
    """The given quantile (0 to 1) of values times `scale`, with its interval."""
    require(0 <= quantile <= 1, "quantile", quantile, "0 to 1", "Use 0.5 for the median.")
    column = np.asarray(values, dtype=np.float64)
    return bootstrap(
        lambda index_RN: scale * np.quantile(column[index_RN], quantile, axis=1), column.size, seed
    )
