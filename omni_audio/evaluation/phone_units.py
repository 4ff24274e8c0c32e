"""How well discrete units stand for phones.

Source: Hsu et al. 2021, "HuBERT", section IV.E: phone purity, cluster purity, phone-normalised mutual information. All
three are computed from the joint counts of a phone label and a unit a frame. Where units are many and frames few, they
are high for any units: the same figures of shuffled units say how much of them is chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omni_audio.checks import require


@dataclass(frozen=True, slots=True)
class UnitScores:
    """Units against phones, over the same frames.

    Attributes:
        phone_purity: share of frames that are right when each unit stands for its most frequent phone, 0 to 1.
        cluster_purity: share of frames that are right when each phone is written by its most frequent unit, 0 to 1.
        pnmi: mutual information over the entropy of the phones: how much of the phone a unit tells, 0 to 1.
        num_frames: counted.
        num_phones: different ones.
        num_units: different ones.
    """

    phone_purity: float
    cluster_purity: float
    pnmi: float
    num_frames: int
    num_phones: int
    num_units: int


@dataclass(frozen=True, slots=True)
class PhoneCounts:
    """Frames of each phone and unit, (P, U); the names of the phones and the codes of the units, in that order."""

    frames_PU: npt.NDArray[np.int64]
    phones: list[str]
    units: list[int]


def count_pairs(phones_N: Sequence[str], units_N: Sequence[int]) -> PhoneCounts:
    """How often each phone met each unit, phones and units in sorted order.

    Raises:
        ValueError: no frames, or unequal lengths.
    """
    require(
        0 < len(phones_N) == len(units_N),
        "len(phones_N), len(units_N)",
        (len(phones_N), len(units_N)),
        "one phone and one unit a frame, and at least one frame",
        "Label the frames that were encoded.",
    )
    phones, phone_N = np.unique(np.asarray(phones_N), return_inverse=True)
    units, unit_N = np.unique(np.asarray(units_N), return_inverse=True)
    frames_PU = np.zeros((len(phones), len(units)), dtype=np.int64)
    np.add.at(frames_PU, (phone_N, unit_N), 1)
    return PhoneCounts(frames_PU, [str(phone) for phone in phones], [int(unit) for unit in units])


def unit_scores(counts: PhoneCounts) -> UnitScores:
    """Purities and PNMI of joint counts; a single phone has no entropy, and the PNMI is then 0."""
    share_PU = counts.frames_PU / counts.frames_PU.sum()
    phone_P, unit_U = share_PU.sum(axis=1), share_PU.sum(axis=0)
    met = share_PU > 0
    chance_PU = np.outer(phone_P, unit_U)
    information = float((share_PU[met] * np.log(share_PU[met] / chance_PU[met])).sum())
    phone_entropy = float(-(phone_P * np.log(phone_P)).sum())
    return UnitScores(
        phone_purity=float(share_PU.max(axis=0).sum()),
        cluster_purity=float(share_PU.max(axis=1).sum()),
        pnmi=information / phone_entropy if phone_entropy > 0 else 0.0,
        num_frames=int(counts.frames_PU.sum()),
        num_phones=len(counts.phones),
        num_units=len(counts.units),
    )
