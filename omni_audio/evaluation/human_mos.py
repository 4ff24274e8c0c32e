"""Mean opinion scores of people, by system, with intervals. Predicted scores never enter here.

The 95 % interval is a bootstrap over raters and texts together: each resample draws raters and texts, both with
replacement, and weighs an answer by how often its rater and its text were drawn. It holds for other raters and other
texts; an interval over single answers would take the answers of one person for as many people. All systems share the
draws, so that a difference is one within raters and texts.

Source: Owen 2007, "The pigeonhole bootstrap"; ITU-T P.800.1 (MOS).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from omni_audio.checks import require
from omni_audio.evaluation.bootstrap import CHUNK, CONFIDENCE, NUM_RESAMPLES, Interval
from omni_audio.evaluation.human_ratings import Key, Rater
from omni_audio.evaluation.human_screening import Screened, ScreeningConfig
from omni_audio.evaluation.listening_format import Role

METHOD = f"{CONFIDENCE:.0%} bootstrap over raters and texts together (pigeonhole), {NUM_RESAMPLES} resamples"
REFERENCE_SYSTEM = "source"


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemScore:
    """What people gave one system.

    Attributes:
        system: its name in the key.
        mos: mean of its answers, 1 to 5; without an interval where there is one rater or one text alone.
        difference: of its mean from that of the recordings of the source voice; None for that voice itself.
        num_answers: that count.
        num_outliers: single answers that were left out.
    """

    system: str
    mos: Interval | float
    difference: Interval | float | None
    num_answers: int
    num_outliers: int


def system_scores(
    key: Key, raters: Sequence[Rater], outlier_z: float | None = None, seed: int = 0
) -> list[SystemScore]:
    """Scores of every system, best first.

    Args:
        key: of the test.
        raters: those that count; each has answered every rated clip.
        outlier_z: see ScreeningConfig.
        seed: of the resamples.

    Raises:
        ValueError: no rater is left.
    """
    remedy = "Ask more people; the reasons are above."
    require(len(raters) > 0, "raters that count", 0, "at least 1", remedy)
    texts = sorted({clip.text for clip in key.of_role(Role.rated).values()})
    answers = {system: _answers(key, raters, texts, system) for system in key.systems}
    dropped = {system: _drop_outliers(table_RT, outlier_z) for system, table_RT in answers.items()}
    means = _resampled_means(answers, len(raters), len(texts), seed)
    has_interval = len(raters) > 1 and len(texts) > 1

    def figure(value: float, draws: np.ndarray) -> Interval | float:
        if not has_interval:
            return value
        tail = (1 - CONFIDENCE) / 2
        low, high = np.nanquantile(draws, [tail, 1 - tail])
        return Interval(value, float(low), float(high))

    value = {system: float(np.nanmean(table_RT)) for system, table_RT in answers.items()}
    scores: list[SystemScore] = []
    for system in sorted(key.systems, key=lambda name: (-value[name], name)):
        difference = None
        if REFERENCE_SYSTEM in value and system != REFERENCE_SYSTEM:
            apart = value[system] - value[REFERENCE_SYSTEM]
            difference = figure(apart, means[system] - means[REFERENCE_SYSTEM])
        scores.append(
            SystemScore(
                system=system,
                mos=figure(value[system], means[system]),
                difference=difference,
                num_answers=int(np.isfinite(answers[system]).sum()),
                num_outliers=dropped[system],
            )
        )
    return scores


def _answers(key: Key, raters: Sequence[Rater], texts: Sequence[str], system: str) -> np.ndarray:
    """(raters, texts) answers; NaN where a system did not say a text."""
    table_RT = np.full((len(raters), len(texts)), np.nan)
    for name, clip in key.of_role(Role.rated).items():
        if clip.system == system:
            table_RT[:, texts.index(clip.text)] = [rater.ratings[name] for rater in raters]
    return table_RT


def _drop_outliers(table_RT: np.ndarray, outlier_z: float | None) -> int:
    """Makes single answers far from the mean NaN, in place; returns how many."""
    spread = np.nanstd(table_RT)
    if outlier_z is None or spread == 0:
        return 0
    far = np.abs(table_RT - np.nanmean(table_RT)) >= outlier_z * spread
    table_RT[far] = np.nan
    return int(far.sum())


def _resampled_means(
    answers: dict[str, np.ndarray], num_raters: int, num_texts: int, seed: int
) -> dict[str, np.ndarray]:
    """The mean of each system in every resample; NaN where a resample holds none of its answers."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {system: [] for system in answers}
    for start in range(0, NUM_RESAMPLES, CHUNK):
        num = min(CHUNK, NUM_RESAMPLES - start)
        raters_BR = rng.multinomial(num_raters, np.full(num_raters, 1 / num_raters), size=num).astype(float)
        texts_BT = rng.multinomial(num_texts, np.full(num_texts, 1 / num_texts), size=num).astype(float)
        for system, table_RT in answers.items():
            there_RT = np.isfinite(table_RT)
            total_B = ((raters_BR @ np.where(there_RT, table_RT, 0.0)) * texts_BT).sum(axis=1)
            weight_B = ((raters_BR @ there_RT.astype(float)) * texts_BT).sum(axis=1)
            mean_B = np.divide(total_B, weight_B, out=np.full(num, np.nan), where=weight_B > 0)
            found[system].append(mean_B)
    return {system: np.concatenate(parts) for system, parts in found.items()}


def score_table(scores: Sequence[SystemScore]) -> str:
    """A line for each system, best first."""
    rows = [("system", "human MOS", "95 % interval", "against source", "answers")]
    for score in scores:
        value, ends = _cells(score.mos, "{:.2f}")
        apart, apart_ends = ("-", "") if score.difference is None else _cells(score.difference, "{:+.2f}")
        rows.append((score.system, value, ends, f"{apart} {apart_ends}".strip(), str(score.num_answers)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def screening_text(screened: Screened) -> str:
    """Who counts, who does not and why."""
    num = len(screened.kept) + len(screened.out)
    lines = [f"raters: {num}, of whom {len(screened.kept)} count"]
    lines += [f"  left out: {name}: {'; '.join(reasons)}" for name, reasons in screened.out.items()]
    if not screened.is_compared:
        lines.append("  raters were not compared with each other: fewer than 3 passed the other checks")
    return "\n".join(lines)


def last_line(
    key: Key, scores: Sequence[SystemScore], screened: Screened, config: ScreeningConfig, seed: int
) -> str:
    """One line of JSON."""
    line: dict[str, Any] = {
        "human_mos": {score.system: _figure(score.mos) for score in scores},
        "human_mos_against_source": {
            score.system: _figure(score.difference) for score in scores if score.difference is not None
        },
        "n": {score.system: score.num_answers for score in scores},
        "outliers": sum(score.num_outliers for score in scores),
        "raters": len(screened.kept),
        "left_out": screened.out,
        "test_id": key.test_id,
        "interval": METHOD,
        "seed": seed,
        "headphone_share": round(config.headphone_share, 4),
        "min_correlation": config.min_correlation if screened.is_compared else None,
        "outlier_z": config.outlier_z,
    }
    return json.dumps(line, ensure_ascii=False, allow_nan=False)


def _figure(found: Interval | float) -> dict[str, float | None]:
    if isinstance(found, Interval):
        return {"value": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4)}
    return {"value": round(found, 4), "low": None, "high": None}


def _cells(found: Interval | float, form: str) -> tuple[str, str]:
    if isinstance(found, Interval):
        return form.format(found.value), f"{form.format(found.low)} to {form.format(found.high)}"
    return form.format(found), "(none: 1 rater or text)"
