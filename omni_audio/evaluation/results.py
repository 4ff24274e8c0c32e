"""Figures and the collection of them: written, read, printed. What was not measured is absent, never 0."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from omni_audio.checks import require, require_file
from omni_audio.evaluation.bootstrap import Interval
from omni_audio.evaluation.reference import REFERENCES
from omni_audio.files import written_whole

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        name: with its unit as suffix (`wer_percent`, `first_audio_ms`).
        value: in that unit, finite.
        n: number of items it was measured on, at least 1.
        low: lower end of the 95 % bootstrap interval; None where nothing was sampled (bytes of a file).
        high: upper end.
        definition: what was measured, on what, and what counts as an error.
        reference: the reference system's figure in the same unit, or None where it names none.
        reference_definition: what the reference's figure is said to measure.
    """

    name: str
    value: float
    n: int
    low: float | None
    high: float | None
    definition: str
    reference: float | None = None
    reference_definition: str = ""

    def __post_init__(self) -> None:
        require(
            self.name.isidentifier(),
            "figure.name",
            self.name,
            "an identifier that ends in its unit",
            "Name it like wer_percent.",
        )
        require(
            math.isfinite(self.value),
            f"{self.name}.value",
            self.value,
            "a finite number",
            "Leave a figure out that was not measured.",
        )
        require(self.n >= 1, f"{self.name}.n", self.n, "at least 1", "Leave a figure out that has no items.")
        require(
            bool(self.definition),
            f"{self.name}.definition",
            self.definition,
            "a sentence",
            "Say what was measured.",
        )
        require(
            (self.low is None) == (self.high is None),
            f"{self.name}.low, high",
            (self.low, self.high),
            "both or neither",
            "Give both ends of the interval.",
        )

    @classmethod
    def of(
        cls,
        name: str,
        interval: Interval,
        n: int,
        definition: str,
        reference: float | None = None,
        reference_definition: str = "",
    ) -> "Figure":
        """A figure from a bootstrap interval."""
        return cls(
            name=name,
            value=interval.value,
            n=n,
            low=interval.low,
            high=interval.high,
            definition=definition,
            reference=reference,
            reference_definition=reference_definition,
        )


@dataclass(kw_only=True, slots=True)
class Sample:
    """One scored item kept for the report: its texts, its error counts and its sound files.

    Attributes:
        kind: which measurement it comes from (`transcribe`, `tool`, `say`, `reply`, `resynthesis`, `human`).
        item_id: of the test item.
        voice: who speaks.
        wanted: the key: reference text, or the call as JSON.
        got: what the model gave, or what the judge heard; None where no judge heard it.
        score: errors per unit, 0 is perfect (wrong words / words of the reference; 0 or 1 for calls);
            None where it was not scored.
        sounds: label -> file name relative to the results folder.
    """

    kind: str
    item_id: str
    voice: str
    wanted: str
    got: str | None
    score: float | None
    sounds: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class Results:
    """All that one evaluation measured.

    Attributes:
        figures: name -> figure, in the order they were added.
        absent: name -> why it was not measured.
        tables: name -> rows, each row a flat dict (WER by voice).
        samples: items kept for the report.
        record: the run: config, its hash, build, commit, machine, seconds.
    """

    figures: dict[str, Figure] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)

    def add(self, figure: Figure) -> Figure:
        """Adds a figure and returns it.

        Raises:
            ValueError: the name was already added, or was said to be absent.
        """
        require(
            figure.name not in self.figures and figure.name not in self.absent,
            "figure.name",
            figure.name,
            "a name not used before",
            "Measure each figure once.",
        )
        self.figures[figure.name] = figure
        return figure

    def leave_out(self, name: str, reason: str) -> None:
        """Notes that a metric was not measured, and why; it then stands in no table and no JSON as a number.

        Raises:
            ValueError: the metric was measured, or no reason is given.
        """
        require(name not in self.figures, "name", name, "a metric that was not measured", "Drop the call.")
        require(bool(reason), f"{name}.reason", reason, "a sentence", "Say why it was not measured.")
        self.absent[name] = reason

    def __contains__(self, name: str) -> bool:
        return name in self.figures

    def __getitem__(self, name: str) -> Figure:
        return self.figures[name]

    def __iter__(self) -> Iterator[Figure]:
        return iter(self.figures.values())

    def last_line(self) -> str:
        """One line of JSON: each measured figure by name, `n` (of wer_percent), the n of each, the build."""
        line: dict[str, Any] = {name: _six_digits(figure.value) for name, figure in self.figures.items()}
        counts = {name: figure.n for name, figure in self.figures.items()}
        if counts:
            line["n"] = counts.get("wer_percent", next(iter(counts.values())))
            line["n_by_figure"] = counts
        for key in ("suite", "build", "weight_quant", "judge", "split"):
            if key in self.record:
                line[key] = self.record[key]
        return json.dumps(line, ensure_ascii=False, allow_nan=False)

    def write(self, path: Path) -> None:
        """Writes JSON, whole or not at all (a temporary file beside it, then a rename)."""
        content = {"format_version": FORMAT_VERSION, **asdict(self)}
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as temporary:
            temporary.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Reads what `write` wrote.

        Raises:
            ValueError: no such file, or another format version.
        """
        require_file("results", path)
        content = orjson.loads(path.read_bytes())
        version = content.pop("format_version", None)
        require(
            version == FORMAT_VERSION,
            f"{path}: format_version",
            version,
            str(FORMAT_VERSION),
            "Run omni-audio eval again.",
        )
        content["figures"] = {name: Figure(**figure) for name, figure in content["figures"].items()}
        content["samples"] = [Sample(**sample) for sample in content["samples"]]
        return cls(**content)

    def table(self) -> str:
        """Ours beside the reference system's; then what is absent and why; then the definitions."""
        rows = [("figure", "ours", "95 % interval", "n", "reference")]
        for figure in self:
            rows.append(
                (
                    figure.name,
                    format_number(figure.value),
                    format_interval(figure.low, figure.high),
                    str(figure.n),
                    format_number(figure.reference) if figure.reference is not None else "-",
                )
            )
        for name in self.absent:
            if name in REFERENCES:
                rows.append((name, "not measured", "-", "-", format_number(REFERENCES[name].value)))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = [_row(row, widths) for row in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        if self.absent:
            lines += ["", "not measured:"]
            lines += [f"  {name}: {reason}" for name, reason in self.absent.items()]
        lines += ["", "definitions:"]
        for figure in self:
            lines.append(f"  {figure.name}: {figure.definition}")
            if figure.reference is not None:
                lines.append(f"    reference: {figure.reference_definition}")
        for name in self.absent:
            if name in REFERENCES:
                lines.append(f"  {name}: not measured\n    reference: {REFERENCES[name].definition}")
        return "\n".join(lines)


def digits(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def format_number(value: float) -> str:
    """Four significant digits, no exponent: 5.2, 0.014, 12345."""
    if value == 0:
        return "0"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_interval(low: float | None, high: float | None) -> str:
    """`low - high`, or a dash where there is none."""
    return "-" if low is None or high is None else f"{format_number(low)} - {format_number(high)}"


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    first = cells[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))])


def _six_digits(value: float) -> float:
    """Six significant digits: a small figure must not round to 0."""
    return float(f"{value:.6g}")
