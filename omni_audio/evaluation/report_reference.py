"""Sections of report.html that only the suite `reference` has: its table and its pictures."""

from collections.abc import Sequence
from html import escape

from omni_audio.evaluation.charts import Curve, bar_chart, count_matrix, histogram, line_chart
from omni_audio.evaluation.reference import REFERENCES
from omni_audio.evaluation.reference_table import HEADER, TABLE, speed_cells, table_cells
from omni_audio.evaluation.results import Results

BARS = (
    ("wer_by_voice", "voice", "wer_percent", "Word error rate by voice"),
    ("wer_by_condition", "condition", "wer_percent", "Word error rate by noise"),
    ("tool_exact_by_tool", "tool", "tool_exact_percent", "Exact calls by tool"),
)
SPEED_CURVES = {
    "wer_percent": "WER, %",
    "duration_error_percent": "duration error, %",
    "f0_shift_percent": "f0 shift, %",
    "speaker_similarity": "speaker similarity to speed 1",
}
LATENCIES = {"first_token_ms": "First token", "first_audio_ms": "First audio"}


def reference_table(results: Results) -> str:
    """The table beside the reference system's claims; what was not measured, and why."""
    rows = []
    for row, cells in zip(results.tables[TABLE], table_cells(results), strict=True):
        mark = "" if "met" not in row else ' class="met"' if row["met"] else ' class="score"'
        title, *numbers, target = map(escape, cells)
        middle = "".join(f"<td>{number}</td>" for number in numbers)
        rows.append(
            f'<tr><td class="text">{title}</td>{middle}<td class="text"><span{mark}>{target}</span></td></tr>'
        )
    note = (
        '<p class="note">The reference columns hold what that system states about itself, on its own data and '
        "machine: for orientation. Brackets hold 95 % bootstrap intervals over items; a target is met by the value "
        "itself.</p>"
    )
    return f"<h2>Beside the reference system</h2>{note}{_table(HEADER, rows)}{not_measured(results)}"


def reference_charts(results: Results) -> str:
    """Bars by voice, noise and tool, confusion of tools, quality by speed, times to the first token and sound."""
    parts = []
    for table, column, value, title in BARS:
        if rows := results.tables.get(table):
            parts.append(f"<h2>{title}</h2>{bar_chart(rows, column, value)}")
    if rows := results.tables.get("tool_confusion"):
        note = '<p class="note">Rows: the tool that is due; columns: the one that was called.</p>'
        parts.append(f"<h2>Confusion of tools</h2>{note}{count_matrix(rows, 'due', 'made')}")
    if rows := results.tables.get("quality_by_speed"):
        header, cells = speed_cells(rows)
        lines = ["".join(["<tr>", *(f"<td>{cell}</td>" for cell in line), "</tr>"]) for line in cells]
        cards = []
        for name, title in SPEED_CURVES.items():
            points = [(row["speed"], row[name]) for row in rows if name in row]
            if points:
                chart = line_chart(Curve(title, {title: points}), "speed")
                cards.append(f'<div class="card"><h4>{escape(title)}</h4>{chart}</div>')
        parts.append(
            f'<h2>Quality by speed</h2>{_table(header, lines)}<div class="grid">{"".join(cards)}</div>'
        )
    if rows := results.tables.get("latency"):
        cards = [
            f'<div class="card"><h4>{title}</h4>{histogram([row[name] for row in rows], title, "ms")}</div>'
            for name, title in LATENCIES.items()
        ]
        parts.append(f'<h2>Latency of the server</h2><div class="grid">{"".join(cards)}</div>')
    return "".join(parts)


def not_measured(results: Results) -> str:
    """What was left out, and why; nothing where all was measured."""
    absent = []
    for name, reason in results.absent.items():
        known = REFERENCES.get(name)
        beside = f" (reference: {escape(known.definition)})" if known else ""
        absent.append(f"<li><code>{name}</code>: {escape(reason)}{beside}</li>")
    return f"<h3>Not measured</h3><ul>{''.join(absent)}</ul>" if absent else ""


def _table(header: Sequence[str], rows: Sequence[str]) -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in header)
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
