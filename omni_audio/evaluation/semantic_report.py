"""The figures, tables and picture of a report on a tokenizer's codes: usage, words of the semantic codes, phones."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from omni_audio.evaluation.codec_quality import Score
from omni_audio.evaluation.codec_report import markdown_table, score_text
from omni_audio.evaluation.phone_units import PhoneCounts, UnitScores, unit_scores
from omni_audio.evaluation.semantic_codes import CodedClip, LabelledClip, phone_counts, shuffled_counts
from omni_audio.evaluation.wer import ErrorCounts, corpus_rate_percent
from omni_audio.tokenizer.code_usage import code_counts, usage_entropy_percent, usage_perplexity, used_percent
from omni_audio.tokenizer.tokenizer import TokenizerConfig

SEMANTIC = "semantic"
LEAST_ENTROPY_PERCENT = 60.0
"""What every codebook should reach after a whole training."""
DELAYS_FRAMES = (0, 1, 2)
SHOWN_UNITS = 400


@dataclass(frozen=True, slots=True)
class UsageRow:
    """How one codebook was used.

    Attributes:
        codebook: its name.
        num_codes: that it has.
        used_percent: share of them that were used.
        entropy_percent: of the most that so many codes and so many frames can have.
        perplexity: as many evenly used codes would have this entropy.
        uses: of each code, frames.
    """

    codebook: str
    num_codes: int
    used_percent: float
    entropy_percent: float
    perplexity: float
    uses: list[int]


def usage_rows(clips: Sequence[CodedClip], config: TokenizerConfig) -> list[UsageRow]:
    """A row for each acoustic codebook and, last, the semantic codes, over all frames of the clips."""
    codes_NK = torch.cat([clip.stacked_codes() for clip in clips])
    num_codebooks = codes_NK.shape[-1] - 1
    names = [*(f"acoustic {number + 1}" for number in range(num_codebooks)), SEMANTIC]
    sizes = [config.vq.codebook_size] * num_codebooks + [config.semantic.num_codes]
    rows = []
    for name, size, codes_N in zip(names, sizes, codes_NK.unbind(-1), strict=True):
        counts_1C = code_counts(codes_N[:, None], size)
        rows.append(
            UsageRow(
                name,
                size,
                float(used_percent(counts_1C)),
                float(usage_entropy_percent(counts_1C)),
                float(usage_perplexity(counts_1C)),
                counts_1C[0].tolist(),
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class LettersRow:
    """Word and letter error rates, percent, of a group of clips from its semantic codes alone."""

    group: str
    words: Score
    letters: Score


def letters_rows(name: str, clips: Sequence[CodedClip]) -> list[LettersRow]:
    """A row of all clips with a transcript, named `name`, then one of each voice; none where there is no transcript."""
    spelled = [clip for clip in clips if clip.words is not None and clip.words.num_units > 0]
    voices: defaultdict[str, list[CodedClip]] = defaultdict(list)
    for clip in spelled:
        voices[clip.clip.voice].append(clip)
    groups = {name: spelled, **dict(sorted(voices.items()))} if spelled else {}
    return [
        LettersRow(
            group,
            _score([clip.words for clip in members if clip.words is not None]),
            _score([clip.letters for clip in members if clip.letters is not None]),
        )
        for group, members in groups.items()
    ]


def _score(counts: list[ErrorCounts]) -> Score:
    return Score.of(corpus_rate_percent(counts), len(counts))


def phone_rows(clips: Sequence[LabelledClip]) -> dict[str, UnitScores]:
    """Units against phones: semantic codes at several delays, shuffled ones, the first acoustic codebook beside them.

    Args:
        clips: at least one.
    """
    counts = phone_counts(clips, -1)
    found = {SEMANTIC: unit_scores(counts)}
    for delay in DELAYS_FRAMES[1:]:
        found[f"{SEMANTIC}, {delay} later"] = unit_scores(phone_counts(clips, -1, delay))
    found[f"{SEMANTIC}, shuffled"] = unit_scores(shuffled_counts(counts))
    found["acoustic 1"] = unit_scores(phone_counts(clips, 0))
    return found


def semantic_tables(
    usage: Sequence[UsageRow], letters: Sequence[LettersRow], phones: dict[str, UnitScores]
) -> str:
    """The three tables in Markdown; without phones there are two."""
    tables = [
        markdown_table(
            ["codebook", "codes", "used %", "entropy %", "perplexity"],
            [
                [
                    row.codebook,
                    str(row.num_codes),
                    f"{row.used_percent:.1f}",
                    f"{row.entropy_percent:.1f}",
                    f"{row.perplexity:.0f}",
                ]
                for row in usage
            ],
        ),
        markdown_table(
            ["clips", "n", "WER %", "letter error rate %"],
            [
                [row.group, str(row.words.n), score_text(row.words), score_text(row.letters)]
                for row in letters
            ],
        ),
    ]
    if phones:
        tables.append(
            markdown_table(
                ["units", "phone purity", "cluster purity", "PNMI", "frames", "phones", "units used"],
                [
                    [
                        name,
                        f"{row.phone_purity:.3f}",
                        f"{row.cluster_purity:.3f}",
                        f"{row.pnmi:.3f}",
                        str(row.num_frames),
                        str(row.num_phones),
                        str(row.num_units),
                    ]
                    for name, row in phones.items()
                ],
            )
        )
    return "\n\n".join(tables)


def summary(
    usage: Sequence[UsageRow], letters: Sequence[LettersRow], phones: dict[str, UnitScores]
) -> dict[str, Any]:
    """The headline figures; the first row of `letters` is that of all clips, and what was not measured is not there."""
    fractions = {row.codebook: round(row.entropy_percent / 100, 4) for row in usage}
    line: dict[str, Any] = {
        "semantic_entropy_fraction": fractions.pop(SEMANTIC),
        "acoustic_entropy_fractions": list(fractions.values()),
        "usage_ok": all(row.entropy_percent > LEAST_ENTROPY_PERCENT for row in usage),
    }
    if letters:
        line |= rates("semantic_ctc", letters[0])
    if phones:
        scores = asdict(phones[SEMANTIC])
        line |= {name: round(scores[name], 4) for name in ("phone_purity", "cluster_purity", "pnmi")}
        line["num_phone_frames"] = scores["num_frames"]
        chance = phones[f"{SEMANTIC}, shuffled"]
        line |= {
            "shuffled_phone_purity": round(chance.phone_purity, 4),
            "shuffled_pnmi": round(chance.pnmi, 4),
        }
    return line


def rates(prefix: str, row: LettersRow) -> dict[str, Any]:
    """Error rates of one group with their intervals, under names that begin with `prefix`."""
    found: dict[str, Any] = {}
    for name, score in ((f"{prefix}_wer_percent", row.words), (f"{prefix}_cer_percent", row.letters)):
        found[name] = round(score.value, 2)
        found[f"{name}_interval"] = [round(score.low, 2), round(score.high, 2)]
    return found


def plot_codes(usage: Sequence[UsageRow], counts: PhoneCounts | None, path: Path) -> None:
    """How evenly each codebook is used and, where phones are known, which phone each semantic code stands for.

    Args:
        usage: a line each.
        counts: of phones and semantic codes; None leaves that panel out.
        path: ends in .png or .svg; the folder must exist.
    """
    num_panels = 1 if counts is None else 2
    figure = Figure(figsize=(5 + 7 * (num_panels - 1), 6), layout="constrained")
    FigureCanvasAgg(figure)
    widths = [5, 7][:num_panels]
    panels = figure.subplots(1, num_panels, squeeze=False, width_ratios=widths)[0]
    _draw_usage(panels[0], usage)
    if counts is not None:
        _draw_phones(figure, panels[1], counts)
    figure.savefig(path, dpi=130)


def _draw_usage(axes: Axes, usage: Sequence[UsageRow]) -> None:
    for row in usage:
        ranked = np.sort(np.asarray(row.uses))[::-1]
        share = np.cumsum(ranked) / max(1, ranked.sum())
        is_semantic = row.codebook == SEMANTIC
        axes.plot(
            100 * np.arange(1, len(share) + 1) / len(share),
            100 * share,
            label=f"{row.codebook}: {row.entropy_percent:.0f} % entropy",
            color="black" if is_semantic else None,
            linewidth=2 if is_semantic else 1,
        )
    axes.plot([0, 100], [0, 100], color="0.7", linestyle=":", label="all codes alike")
    axes.set_xlabel("codes, most used first, %")
    axes.set_ylabel("frames, %")
    axes.legend(fontsize=7, frameon=False)
    axes.set_title("Usage", fontsize=10)


def _draw_phones(figure: Figure, axes: Axes, counts: PhoneCounts) -> None:
    frames_PU = counts.frames_PU
    common_U = np.argsort(-frames_PU.sum(axis=0), kind="stable")[:SHOWN_UNITS]
    order_P = np.argsort(-frames_PU.sum(axis=1), kind="stable")
    shown_PU = frames_PU[order_P][:, common_U]
    share_PU = shown_PU / shown_PU.sum(axis=0)
    best_U = share_PU.argmax(axis=0)
    sorted_U = np.lexsort((-share_PU.max(axis=0), best_U))
    image = axes.imshow(share_PU[:, sorted_U], aspect="auto", cmap="magma_r", vmin=0, vmax=1)
    axes.set_yticks(range(len(order_P)), [counts.phones[place] for place in order_P], fontsize=6)
    axes.set_xticks([])
    axes.set_xlabel(f"the {len(sorted_U)} most used semantic codes, by their most frequent phone")
    axes.set_title("Share of phones in the frames of a code", fontsize=10)
    figure.colorbar(image, ax=axes)
