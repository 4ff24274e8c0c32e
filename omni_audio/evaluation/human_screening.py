"""Which raters of a listening test are left out, and why.

Each rater is first judged alone: all clips answered, every trapping clip and every gold clip answered as an attentive
person would, enough trials of the headphones right, and not the same answer to everything. Those who pass are then
compared: the correlation of a rater's answers with the means of the others over the rated clips. The others are those
who passed the first part, and all are compared at once, so that the order of the files decides nothing.

Source: ITU-T P.808 (data screening); the limits of variance, of gold clips and of single answers are those of the
P.808 Toolkit (Naderi and Cutler 2020); Woods et al. 2017 (five of six trials of the headphones).
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omni_audio.checks import require, require_range
from omni_audio.evaluation.human_ratings import Key, Rater
from omni_audio.evaluation.listening_format import Role

MIN_VARIANCE = 0.1
MIN_COMPARED = 3
"""Raters that must have passed before they are compared: two others make a mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScreeningConfig:
    """What a rater must do to be counted.

    Attributes:
        headphone_share: of the trials that must be right; 0 asks for none.
        min_correlation: with the means of the others; -1 lets every rater pass.
        outlier_z: single answers that lie so many standard deviations of their system off its mean are left out; None
            keeps all. The P.808 Toolkit offers 3.29.
    """

    headphone_share: float = 5 / 6
    min_correlation: float = 0.4
    outlier_z: float | None = None

    def __post_init__(self) -> None:
        require_range("headphone_share", self.headphone_share, 0, 1)
        require_range("min_correlation", self.min_correlation, -1, 1)
        z = self.outlier_z
        require(z is None or z > 0, "outlier_z", z, "above 0, or none", "Use 3.29.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Screened:
    """The raters that count, and why each of the others does not."""

    kept: list[Rater]
    out: dict[str, list[str]]
    is_compared: bool


def screen(raters: Sequence[Rater], key: Key, config: ScreeningConfig) -> Screened:
    """Sorts the raters."""
    out: dict[str, list[str]] = {}
    kept: list[Rater] = []
    for rater in raters:
        reasons = own_faults(rater, key, config)
        if reasons:
            out[rater.name] = reasons
        else:
            kept.append(rater)
    is_compared = len(kept) >= MIN_COMPARED
    if is_compared:
        rated = list(key.of_role(Role.rated))
        answers_RC = np.array([[rater.ratings[clip] for clip in rated] for rater in kept], dtype=np.float64)
        for rater, found in zip(kept, correlations(answers_RC), strict=True):
            if found < config.min_correlation:
                limit = f"below {config.min_correlation:g}"
                out[rater.name] = [f"correlation with the other raters {found:.2f}, {limit}"]
        kept = [rater for rater in kept if rater.name not in out]
    return Screened(kept=kept, out=out, is_compared=is_compared)


def own_faults(rater: Rater, key: Key, config: ScreeningConfig) -> list[str]:
    """Why a rater cannot count, whatever the others say; nothing where all is well."""
    reasons: list[str] = []
    rated = key.of_role(Role.rated)
    asked = [*rated, *key.of_role(Role.gold), *key.of_role(Role.trap)]
    missing = sum(clip not in rater.ratings for clip in asked)
    if missing:
        reasons.append(f"{missing} of {len(asked)} clips not answered")
    for role, what in ((Role.trap, "trapping"), (Role.gold, "gold")):
        given = [(rater.ratings.get(name), clip.accepted) for name, clip in key.of_role(role).items()]
        wrong = sum(answer is not None and answer not in accepted for answer, accepted in given)
        if wrong:
            reasons.append(f"{wrong} of {len(given)} {what} clips failed")
    if key.headphones:
        right = sum(rater.headphones.get(trial) == tone for trial, tone in key.headphones.items())
        if right < config.headphone_share * len(key.headphones) - 1e-9:
            reasons.append(f"headphones: {right} of {len(key.headphones)} trials right")
    answers = [rater.ratings[clip] for clip in rated if clip in rater.ratings]
    if len(answers) > 1 and statistics.variance(answers) < MIN_VARIANCE:
        reasons.append(
            f"all answers alike: variance {statistics.variance(answers):.2f}, below {MIN_VARIANCE:g}"
        )
    return reasons


def correlations(answers_RC: np.ndarray) -> list[float]:
    """Pearson's correlation of each rater's answers, a row, with the means of the other rows; 0 where one is flat."""
    found: list[float] = []
    for place, own_C in enumerate(answers_RC):
        others_C = np.delete(answers_RC, place, axis=0).mean(axis=0)
        flat = own_C.std() == 0 or others_C.std() == 0
        found.append(0.0 if flat else float(np.corrcoef(own_C, others_C)[0, 1]))
    return found
