"""What encode, decode and resynth share: the operating point, the progress bar, the warning about clipped sound."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require

if TYPE_CHECKING:
    from torch import Tensor

    from omni_audio.tokenizer.tokenizer import TokenizerConfig

CLIPPED_SHARE = 0.001
"""From this share of clipped samples on, a sound is said to be clipped."""


def kept_codebooks(asked: int | None, available: int, holder: str) -> int:
    """Returns how many codebooks are used: those asked for, or all.

    Args:
        asked: --codebooks, None if it was not given.
        available: codebooks that there are.
        holder: where they are, for the message.

    Raises:
        ValueError: there are fewer, or none is asked for.
    """
    require(
        asked is None or 1 <= asked <= available,
        "--codebooks",
        asked,
        f"1 to {available}, which {holder} has",
        "Leave it out to use all.",
    )
    return available if asked is None else asked


def operating_point(config: TokenizerConfig, num_codebooks: int) -> str:
    """Name of an operating point with its bit rate: "4 codebooks + semantic: 0.65 kbit/s"."""
    plural = "" if num_codebooks == 1 else "s"
    rate = config.kilobits_per_second(num_codebooks)
    return f"{num_codebooks} codebook{plural} + semantic: {rate:.2f} kbit/s"


def with_bar(blocks: Iterable[Tensor], name: str, total_s: float | None) -> Iterator[Tensor]:
    """Passes on blocks of (S,) 16 kHz samples, and shows the seconds on a terminal while they go by.

    Args:
        blocks: of one sound.
        name: of the sound.
        total_s: its length as far as it is known.
    """
    total = None if total_s is None else round(total_s)
    num_samples = 0
    with tqdm(desc=name, total=total, unit="s", leave=False, disable=None) as bar:
        for pcm_S in blocks:
            yield pcm_S
            num_samples += len(pcm_S)
            bar.update(round(num_samples / SAMPLE_RATE_HZ) - bar.n)


def warn_if_clipped(path: Path, clipped_share: float) -> None:
    """Says on stderr that a sound is clipped, if it is."""
    if clipped_share >= CLIPPED_SHARE:
        tqdm.write(
            f"warning: {path}: {100 * clipped_share:.1f} % of its samples are clipped, and its codes keep the "
            "distortion: record it at a lower level",
            file=sys.stderr,
        )
