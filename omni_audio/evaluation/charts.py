"""Pictures for the report: inline SVG that takes its colours from the page, and spectrograms as data URIs."""

import base64
import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from omni_audio.audio.encoder import CODECS, SoundEncoder
from omni_audio.audio.spectrogram import spectrogram_png
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require_file
from omni_audio.evaluation.results import format_number

MAX_POINTS = 300
SPLIT_NAMES = ("train", "val", "dev", "valid", "validation", "test")
NOT_CURVES = ("step", "epoch")
LOG_SCALE_RATIO = 50.0
PAGE_CODEC = replace(CODECS["opus"], rate_hz=SAMPLE_RATE_HZ, muxer_options=())
"""Of sound inside a page: nobody waits for its packets, so that pages of an ogg file may be long."""


@dataclass(slots=True)
class Curve:
    """One metric of a training run: series by split name, each a list of (step, value)."""

    name: str
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def read_metrics(path: Path) -> list[Curve]:
    """Curves of a metrics CSV of Lightning's CSVLogger: a `step` column, blanks where nothing was logged.

    `train/loss`, `val_loss` and `loss` become one curve `loss` of up to three series. Columns with fewer than
    two numbers are left out.

    Raises:
        ValueError: no file, or no `step` column.
    """
    require_file("metrics", path)
    curves: dict[str, Curve] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if "step" not in (reader.fieldnames or ()):
            raise ValueError(
                f"metrics = {str(path)!r} has columns {reader.fieldnames}: expected a column step."
            )
        for row in reader:
            for column, cell in row.items():
                value = _number(cell)
                step = _number(row["step"])
                if column in NOT_CURVES or value is None or step is None:
                    continue
                name, split = _split_name(column)
                curves.setdefault(name, Curve(name)).series.setdefault(split, []).append((step, value))
    for curve in curves.values():
        curve.series = {split: points for split, points in curve.series.items() if len(points) > 1}
    return [curve for curve in curves.values() if curve.series]


def _number(cell: str | None) -> float | None:
    """The finite number of a cell; None for a blank, a word, NaN or infinity."""
    try:
        value = float(cell or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _split_name(column: str) -> tuple[str, str]:
    """`val/loss_epoch` -> (`loss`, `val`)."""
    name = column.removesuffix("_epoch").removesuffix("_step")
    for split in SPLIT_NAMES:
        for joint in ("/", "_"):
            if name.startswith(split + joint):
                return name[len(split) + 1 :], split
    return name, "train"


def line_chart(curve: Curve, x_name: str = "steps") -> str:
    """A metric over steps, or what else stands on the x axis: SVG, with a legend where there are several series."""
    series = {split: _thin(sorted(points)) for split, points in curve.series.items()}
    steps = [step for points in series.values() for step, _ in points]
    values = [value for points in series.values() for _, value in points]
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low > LOG_SCALE_RATIO
    transform = math.log10 if logarithmic else float
    bottom, top = transform(low), transform(high)
    if bottom == top:
        bottom, top = bottom - 0.5, top + 0.5
    left, right, width, height = min(steps), max(steps), 340, 160
    span = (right - left) or 1.0
    x0, y0, inner_width, inner_height = 46, 8, width - 54, height - 34

    def place(step: float, value: float) -> str:
        x = x0 + (step - left) / span * inner_width
        y = y0 + (top - transform(value)) / (top - bottom) * inner_height
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(curve.name)} over {escape(x_name)}">'
    ]
    for tick in range(4):
        level = bottom + (top - bottom) * tick / 3
        y = y0 + (top - level) / (top - bottom) * inner_height
        label = format_number(10**level if logarithmic else level)
        parts.append(f'<line class="grid-line" x1="{x0}" x2="{width - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for place_x, step, anchor in ((x0, left, "start"), (width - 8, right, "end")):
        parts.append(f'<text x="{place_x}" y="{height - 6}" text-anchor="{anchor}">{_steps(step)}</text>')
    middle = f"{x_name}, log scale" if logarithmic else x_name
    parts.append(f'<text x="{x0 + inner_width / 2}" y="{height - 6}" text-anchor="middle">{middle}</text>')
    for index, (split, points) in enumerate(series.items()):
        path = " ".join(place(*point) for point in points)
        title = f"{escape(split)}: last {format_number(points[-1][1])}"
        parts.append(
            f'<polyline class="curve s{index % 3}" points="{path}"><title>{title}</title></polyline>'
        )
    parts.append("</svg>")
    if len(series) > 1:
        keys = "".join(
            f'<span><i class="k{i % 3}"></i>{escape(split)}</span>' for i, split in enumerate(series)
        )
        parts.append(f'<div class="legend">{keys}</div>')
    return "".join(parts)


def _thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MAX_POINTS points, each the mean of its stretch."""
    if len(points) <= MAX_POINTS:
        return list(points)
    return [tuple(part.mean(axis=0)) for part in np.array_split(np.asarray(points), MAX_POINTS)]


def _steps(step: float) -> str:
    return f"{step / 1000:g}k" if step >= 10_000 else f"{step:g}"


def bar_chart(rows: Sequence[dict], label: str, value: str, unit: str = "%") -> str:
    """Horizontal bars with whiskers from `low` to `high`, a row each; values stand at the end of the bar."""
    row_height, x0, width = 24, 150, 960
    most = max((max(row[value], row["high"]) for row in rows), default=0.0) or 1.0
    scale = (width - x0 - 130) / most
    height = row_height * len(rows) + 4
    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(value)} by {escape(label)}">'
    ]
    for index, row in enumerate(rows):
        y = index * row_height + 4
        length = max(row[value] * scale, 0.5)
        end = x0 + max(row["high"], row[value]) * scale
        name = escape(str(row[label]))
        text = f"{format_number(row[value])} {unit} (n = {row['n']})"
        parts.append(f'<text x="{x0 - 8}" y="{y + 13}" text-anchor="end">{name}</text>')
        parts.append(
            f'<rect class="bar" x="{x0}" y="{y}" width="{length:.1f}" height="16" rx="2">'
            f"<title>{name}: {text}</title></rect>"
        )
        ends = f'x1="{x0 + row["low"] * scale:.1f}" x2="{x0 + row["high"] * scale:.1f}"'
        parts.append(f'<line class="whisker" {ends} y1="{y + 8}" y2="{y + 8}"/>')
        parts.append(f'<text class="value" x="{end + 8:.1f}" y="{y + 13}">{text}</text>')
    return "".join([*parts, "</svg>"])


def histogram(values: Sequence[float], title: str, unit: str, num_bins: int = 20) -> str:
    """Columns of how many of the values (at least one) lie in equal stretches; the median stands above."""
    counts, edges = np.histogram(values, bins=num_bins)
    width, height, x0, y0 = 340, 150, 8, 18
    step = (width - 2 * x0) / num_bins
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">']
    for index, count in enumerate(counts):
        tall = float(count) / float(counts.max()) * (height - y0 - 20)
        place = f'x="{x0 + index * step:.1f}" y="{height - 20 - tall:.1f}" width="{step - 1:.1f}"'
        ends = f"{format_number(float(edges[index]))} to {format_number(float(edges[index + 1]))} {unit}"
        parts.append(f'<rect class="bar" {place} height="{tall:.1f}"><title>{ends}: {count}</title></rect>')
    for place, edge, anchor in ((x0, edges[0], "start"), (width - x0, edges[-1], "end")):
        label = f"{format_number(float(edge))} {unit}"
        parts.append(f'<text x="{place}" y="{height - 5}" text-anchor="{anchor}">{label}</text>')
    median = f"median {format_number(float(np.median(values)))} {unit}, n = {len(values)}"
    parts.append(f'<text class="value" x="{width / 2}" y="11" text-anchor="middle">{median}</text>')
    return "".join([*parts, "</svg>"])


def count_matrix(rows: Sequence[dict], row_key: str, column_key: str) -> str:
    """Squares of how often (`n`) two names come together, darker for a larger share of their row."""
    names = sorted({str(row[key]) for row in rows for key in (row_key, column_key)})
    totals = {name: sum(row["n"] for row in rows if row[row_key] == name) for name in names}
    cell, x0, y0 = 17, 130, 110
    width, height = x0 + cell * len(names) + 4, y0 + cell * len(names) + 4
    label = f"{escape(row_key)} against {escape(column_key)}"
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">']
    for index, name in enumerate(names):
        middle = (index + 0.5) * cell
        parts.append(f'<text x="{x0 - 5}" y="{y0 + middle + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        turn = f'transform="translate({x0 + middle + 4:.1f} {y0 - 5}) rotate(-60)"'
        parts.append(f"<text {turn}>{escape(name)}</text>")
    for row in rows:
        place = names.index(str(row[row_key])), names.index(str(row[column_key]))
        wrong = "" if place[0] == place[1] else " wrong"
        share = row["n"] / totals[str(row[row_key])]
        told = f"{row_key} {row[row_key]}, {column_key} {row[column_key]}: {row['n']}"
        parts.append(
            f'<rect class="bar{wrong}" x="{x0 + place[1] * cell}" y="{y0 + place[0] * cell}" width="{cell - 1}" '
            f'height="{cell - 1}" opacity="{0.15 + 0.85 * share:.2f}"><title>{escape(told)}</title></rect>'
        )
    return "".join([*parts, "</svg>"])


def sound_uri(pcm_S: Tensor) -> str:
    """(S,) 16 kHz samples, S > 0, as an Opus data URI of about 5 kB a second.

    Raises:
        AudioError: PyAV lacks the encoder.
    """
    encoder = SoundEncoder(PAGE_CODEC)
    pcm16 = (pcm_S.clamp(-1.0, 1.0) * 32767).round().to(torch.int16).numpy().tobytes()
    return data_uri(encoder.feed(pcm16) + encoder.finish(), "audio/ogg")


def spectrogram_uri(pcm_S: Tensor) -> str:
    """Log-mel picture of (S,) samples, S > 0: time to the right, 0 to 8 kHz upwards, as a PNG data URI."""
    return data_uri(spectrogram_png([pcm_S]), "image/png")


def data_uri(content: bytes, mime_type: str) -> str:
    """Bytes inside the page."""
    return f"data:{mime_type};base64,{base64.b64encode(content).decode('ascii')}"
