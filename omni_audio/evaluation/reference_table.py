"""The table of the suite `reference`: its rows, their targets, and what stands in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omni_audio.evaluation.codec_report import markdown_table
from omni_audio.evaluation.reference import REFERENCES
from omni_audio.evaluation.results import Figure, Results, format_interval, format_number
from omni_audio.evaluation.talk_figures import TYPED

TABLE = "reference"


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is to reach: a number, or another figure of the same run.

    Attributes:
        limit: in the figure's unit, or the name of a figure.
        at_most: whether smaller is better.
        beside: what the limit is, where it is a figure.
    """

    limit: float | str
    at_most: bool = False
    beside: str = ""

    def text(self, results: Results) -> str:
        """The target in words."""
        side = "at most" if self.at_most else "at least"
        if isinstance(self.limit, str):
            return f"{side} {format_number(results[self.limit].value)} ({self.beside})"
        return f"{side} {format_number(self.limit)}"

    def is_met(self, value: float, results: Results) -> bool:
        """Whether the value itself reaches it, wherever its interval ends."""
        limit = results[self.limit].value if isinstance(self.limit, str) else self.limit
        return value <= limit if self.at_most else value >= limit


@dataclass(frozen=True, slots=True)
class Row:
    """A row: what it is called, its figure, and what the figure is to reach."""

    title: str
    figure: str
    target: Target | None = None
    typed: str | None = None


def _most(limit: float) -> Target:
    return Target(limit, at_most=True)


def _talk(title: str, figure: str, target: Target | None = None) -> Row:
    return Row(title, figure, target, TYPED[figure])


_SPREAD = Target("source_turn_similarity_p05", beside="5th percentile of the source's own")
ROWS = (
    Row("first token, ms, median", "first_token_p50_ms", _most(60.0)),
    Row("first token, ms, 95th percentile", "first_token_p95_ms"),
    Row("first audio, ms, median", "first_audio_p50_ms", _most(150.0)),
    Row("first audio, ms, 95th percentile", "first_audio_p95_ms"),
    Row("predicted MOS, DNSMOS", "predicted_mos"),
    Row("- of the source voice", "predicted_mos_source"),
    Row("- in % of the source voice's", "predicted_mos_of_source_percent", Target(95.0)),
    Row("predicted MOS, DistillMOS", "distill_mos"),
    Row("- of the source voice", "distill_mos_source"),
    Row("- in % of the source voice's", "distill_mos_of_source_percent", Target(95.0)),
    _talk("compliance with spoken instructions, %", "compliance_percent", Target(92.0)),
    _talk("tool calls: name and arguments exact, %", "tool_exact_percent", Target(95.8)),
    _talk("tool calls: name, %", "tool_name_percent"),
    _talk("tool calls: schema-valid, %", "tool_schema_valid_percent", Target(100.0)),
    _talk("no call where none is due, %", "no_call_percent"),
    _talk("abstention where no tool fits, %", "abstention_percent", Target(95.0)),
    _talk("asks back for a missing argument, %", "ask_back_percent"),
    _talk("whole talks right, %", "talk_percent"),
    Row("voice gap of exact calls, points", "voice_gap_points", _most(2.0)),
    Row("WER of implicit transcription, %", "wer_percent", _most(5.2)),
    Row("- of fewer requests, as recorded", "clean_wer_percent"),
    Row("- noise 20 dB below", "noise20_wer_percent"),
    Row("- noise 10 dB below", "noise10_wer_percent"),
    Row("- noise as loud as the speech", "noise0_wer_percent"),
    Row("- telephone band", "telephone_wer_percent"),
    Row("- recorded people", "human_wer_percent"),
    Row("WER of generated speech, %", "speech_wer_percent", _most(8.0)),
    Row("- of spoken replies against their own transcript", "reply_speech_wer_percent"),
    Row("- of the source voice", "source_wer_percent"),
    Row("same voice across turns, cosine", "turn_similarity", _SPREAD),
    Row("- of the source voice", "source_turn_similarity"),
    Row("- replies against the source voice", "source_voice_similarity", _SPREAD),
    Row("WER at speeds 0.5 to 2, change, points", "speed_wer_change_points", _most(2.0)),
    Row("duration at speeds 0.25 to 4, error, %", "speed_duration_error_percent"),
    Row("pitch at speeds 0.25 to 4, change, %", "speed_f0_shift_percent"),
    Row("memory of weights, NF4 over 16 bit", "nf4_memory_ratio"),
    Row("NF4 below 16 bit, %", "memory_saving_percent"),
    Row("server process, MiB", "server_mib"),
    Row("server process with NF4, MiB", "nf4_server_mib"),
    Row("a stream's keys and values, MiB", "stream_cache_mib"),
    Row("- 8 bit", "stream_cache_int8_mib"),
    Row("one more live reply, MiB resident", "stream_marginal_mib"),
    Row("WER in NF4, change, points", "nf4_wer_change_points", _most(1.0)),
    Row("exact calls in NF4, change, points", "nf4_tool_exact_change_points", Target(-1.0)),
    Row("live replies in real time, this machine", "real_time_streams"),
    Row("compression of sound, times", "compression_ratio"),
    Row("control: replies to other talks, exact, %", "shuffled_tool_exact_percent", _most(10.0)),
    Row("control: silence, exact, %", "silent_tool_exact_percent", _most(10.0)),
    Row("control: silence, WER, %", "silent_wer_percent", Target(90.0)),
    Row("control: random weights, exact, %", "untrained_tool_exact_percent", _most(10.0)),
    Row("control: random weights, WER, %", "untrained_wer_percent", Target(90.0)),
)


def add_table(results: Results) -> None:
    """Puts the rows that were measured, in order, into the tables of the results; every other row gets a reason.

    A row without a figure and without a reason says that no drawn item tells of it.
    """
    rows: list[dict[str, Any]] = []
    for row in ROWS:
        if row.figure not in results:
            if row.figure not in results.absent:
                results.leave_out(row.figure, "no drawn item tells of it")
            continue
        figure = results[row.figure]
        found: dict[str, Any] = {"row": row.title, "figure": row.figure, **_ends(figure), "n": figure.n}
        if row.typed is not None and row.typed in results:
            found["typed"] = _ends(results[row.typed])
        target = row.target
        if target is not None and (not isinstance(target.limit, str) or target.limit in results):
            found |= {"target": target.text(results), "met": target.is_met(figure.value, results)}
        rows.append(found)
    results.tables[TABLE] = rows


def _ends(figure: Figure) -> dict[str, float | None]:
    return {"value": figure.value, "low": figure.low, "high": figure.high}


HEADER = ("figure", "reference", "reference, text only", "ours, by speech", "the same typed", "n", "target")


def table_cells(results: Results) -> list[list[str]]:
    """The rows as text, under HEADER."""
    return [_cells(row) for row in results.tables[TABLE]]


def _cells(row: dict[str, Any]) -> list[str]:
    claim = REFERENCES.get(row["figure"])
    met = ""
    if "target" in row:
        met = f"{row['target']}: {'met' if row['met'] else 'not met'}"
    return [
        row["row"],
        "" if claim is None else format_number(claim.value),
        "" if claim is None or claim.text_only is None else format_number(claim.text_only),
        _value(row),
        _value(row["typed"]) if "typed" in row else "",
        str(row["n"]),
        met,
    ]


def _value(found: dict[str, Any]) -> str:
    value = format_number(found["value"])
    return value if found["low"] is None else f"{value} ({format_interval(found['low'], found['high'])})"


SPEED_COLUMNS = {
    "speed": "speed",
    "duration_error_percent": "duration error, %",
    "f0_shift_percent": "f0 shift, %",
    "wer_percent": "WER, %",
    "speaker_similarity": "speaker similarity to speed 1",
    "n": "n",
}


def speed_cells(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table by speed; columns that no row has are left out."""
    names = [name for name in SPEED_COLUMNS if any(name in row for row in rows)]
    cells = [[format_number(row[name]) if name in row else "" for name in names] for row in rows]
    return [SPEED_COLUMNS[name] for name in names], cells


def markdown(results: Results) -> str:
    """The whole page: table, quality by speed, what was not measured, definitions, record."""
    record = results.record
    facts = [
        f"{name} {record[name]}"
        for name in ("build", "split", "weight_quant", "judge", "commit")
        if record.get(name)
    ]
    num_targets = sum("met" in row for row in results.tables[TABLE])
    num_met = sum(row.get("met", False) for row in results.tables[TABLE])
    parts = [
        "# Beside the reference system",
        "; ".join(facts) + ".",
        "The columns of the reference hold what that system states about itself, on its own data and machine: for "
        "orientation. Brackets hold 95 % bootstrap intervals over items. "
        f"{num_met} of {num_targets} targets are met by the value itself.",
        markdown_table(HEADER, table_cells(results)),
    ]
    if "quality_by_speed" in results.tables:
        parts += ["## Quality by speed", markdown_table(*speed_cells(results.tables["quality_by_speed"]))]
    if results.absent:
        parts += ["## Not measured", "\n".join(f"- `{name}`: {why}" for name, why in results.absent.items())]
    parts += ["## Definitions", "\n".join(_definition(row, results) for row in results.tables[TABLE])]
    return "\n\n".join(parts) + "\n"


def _definition(row: dict[str, Any], results: Results) -> str:
    figure = results[row["figure"]]
    stated = f" Reference: {figure.reference_definition}." if figure.reference_definition else ""
    return f"- `{figure.name}`: {figure.definition}{stated}"
