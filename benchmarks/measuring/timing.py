"""Cases and their ways: timed in turn, so that a busy machine slows all alike; ratios are ratios of medians."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from omni_audio.checks import require
from omni_audio.evaluation.codec_speed import spread
from omni_audio.evaluation.results import digits


def nothing() -> None:
    """What most ways need before they are timed."""


@dataclass(slots=True)
class Way:
    """One way to do the work of a case.

    Attributes:
        side: whose it is, as "ours" or "transformers".
        name: which of this side's ways.
        run: what is timed.
        prepare: called before each run, untimed.
        num_steps: how many steps a run makes; times are of one step.
    """

    side: str
    name: str
    run: Callable[[], object]
    prepare: Callable[[], object] = nothing
    num_steps: int = 1


@dataclass(slots=True)
class Case:
    """The times of every way, and what was done.

    Attributes:
        kind: as "decode".
        facts: sizes of the work, as {"batch": 1}.
        times_ms: (side, name) -> milliseconds of a step, one of each repeat.
        figures: what was derived from the medians.
    """

    kind: str
    facts: dict[str, Any]
    times_ms: dict[tuple[str, str], list[float]]
    figures: dict[str, float] = field(default_factory=dict)

    def median_ms(self, side: str) -> float:
        """Of the fastest way of this side."""
        return statistics.median(self.times_ms[self.best(side)])

    def best(self, side: str) -> tuple[str, str]:
        """The way of this side with the smallest median."""
        ways = [way for way in self.times_ms if way[0] == side]
        return min(ways, key=lambda way: statistics.median(self.times_ms[way]))

    def ratio(self, side: str, other: str) -> float:
        """Median of one side over that of the other, each by its fastest way; below 1 the first is faster."""
        return self.median_ms(side) / self.median_ms(other)

    def plain(self) -> dict[str, Any]:
        """For the JSON line: facts, spreads in milliseconds by way, figures."""
        spreads = {" ".join(way): spread(times) for way, times in self.times_ms.items()}
        figures = {name: digits(value) for name, value in self.figures.items()}
        return {"case": self.kind, **self.facts, **figures, "ms": spreads}


def time_ways(ways: Sequence[Way], repeats: int, warm_up: int = 1) -> dict[tuple[str, str], list[float]]:
    """Runs the ways in turn, forwards and backwards; the first rounds are not kept.

    Args:
        ways: of one case.
        repeats: at least 2, for a spread.
        warm_up: rounds that come first.

    Returns:
        (side, name) -> milliseconds of a step, one of each repeat.
    """
    require(repeats >= 2, "repeats", repeats, "at least 2", "A spread needs two.")
    found: dict[tuple[str, str], list[float]] = {(way.side, way.name): [] for way in ways}
    for repeat in range(-warm_up, repeats):
        for way in ways if repeat % 2 == 0 else ways[::-1]:
            way.prepare()
            start = time.perf_counter()
            way.run()
            elapsed_ms = (time.perf_counter() - start) * 1000
            if repeat >= 0:
                found[way.side, way.name].append(elapsed_ms / way.num_steps)
    return found
