"""The table and the picture of a codec comparison."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from omni_audio.evaluation.codec_quality import QualityRow, Score
from omni_audio.evaluation.results import format_number

COLUMNS = {
    "stoi": "STOI",
    "pesq_wb": "PESQ-WB",
    "si_sdr_db": "SI-SDR dB",
    "mel_distance": "mel dist.",
    "dnsmos": "DNSMOS",
    "distillmos": "DistillMOS",
    "wer_percent": "WER %",
    "wer_delta_points": "WER delta",
    "speaker_similarity": "speaker",
    "speaker_similarity_ratio": "of same speaker",
}
PANELS = ("stoi", "pesq_wb", "dnsmos", "distillmos", "wer_percent", "speaker_similarity")
COLOURS = {
    "omni_audio": "tab:red",
    "opus": "tab:blue",
    "codec2": "tab:green",
    "encodec_24khz": "tab:purple",
    "mimi": "tab:orange",
}
STYLES = ("-", "--", ":")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up as plain text."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (header, *rows)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def quality_table(rows: Sequence[QualityRow]) -> str:
    """A row for each codec, operating point and set of clips; a dash stands for what was not measured."""
    measured = [name for name in COLUMNS if any(name in row.scores for row in rows)]
    header = ["clips", "codec", "kbit/s", "n", *(COLUMNS[name] for name in measured)]
    lines: list[list[str]] = []
    for row in rows:
        cells = [_cell(row, name) for name in measured]
        lines.append([row.clips, row.codec, format_number(row.kbps), str(row.n), *cells])
    return markdown_table(header, lines)


def _cell(row: QualityRow, name: str) -> str:
    score = row.scores.get(name)
    if score is None:
        return "-"
    fewer = f" (n {score.n})" if score.n != row.n else ""
    return score_text(score) + fewer


def score_text(score: Score) -> str:
    """A figure with its interval, as a table shows it."""
    return f"{_short(score.value)} [{_short(score.low)}, {_short(score.high)}]"


def _short(value: float) -> str:
    """Three significant digits, at most three decimals."""
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def plot_quality(rows: Sequence[QualityRow], path: Path) -> None:
    """Quality against kbit/s: a panel for each measure, a line for each codec and set, a grey line for the originals.

    Args:
        rows: as measured; measures that none of them has get no panel.
        path: ends in .png or .svg; the folder must exist.
    """
    panels = [name for name in PANELS if any(name in row.scores for row in rows if row.codec != "original")]
    num_columns = max(1, min(3, len(panels)))
    num_rows = max(1, -(-len(panels) // num_columns))
    figure = Figure(figsize=(4.6 * num_columns, 3.4 * num_rows), layout="constrained")
    FigureCanvasAgg(figure)
    sets = list(dict.fromkeys(row.clips for row in rows))
    labelled: dict[str, Any] = {}
    for place, metric in enumerate(panels, 1):
        axes = figure.add_subplot(num_rows, num_columns, place)
        for style, name in zip(STYLES, sets, strict=False):
            for codec in dict.fromkeys(row.codec for row in rows):
                points = sorted(
                    (row.kbps, row.scores[metric])
                    for row in rows
                    if (row.clips, row.codec) == (name, codec) and metric in row.scores
                )
                if not points:
                    continue
                label = f"{codec}, {name} (n {points[0][1].n})"
                if codec == "original":
                    line = axes.axhline(points[0][1].value, color="0.6", linestyle=style)
                else:
                    values = [score.value for _, score in points]
                    errors = [
                        [max(0.0, score.value - score.low) for _, score in points],
                        [max(0.0, score.high - score.value) for _, score in points],
                    ]
                    line = axes.errorbar(
                        [kbps for kbps, _ in points],
                        values,
                        yerr=errors,
                        color=COLOURS.get(codec, "black"),
                        linestyle=style,
                        marker="o",
                        markersize=3,
                        capsize=2,
                        linewidth=1,
                    )
                labelled.setdefault(label, line)
        axes.set_xscale("log")
        ticks = [0.3, 0.5, 1, 2, 3, 6, 12]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        axes.minorticks_off()
        axes.set_xlabel("kbit/s")
        axes.set_title(COLUMNS[metric], fontsize=10)
        axes.grid(alpha=0.3)
    figure.legend(
        list(labelled.values()),
        list(labelled),
        loc="outside lower center",
        ncols=4,
        fontsize=7,
        frameon=False,
    )
    figure.savefig(path, dpi=130)
