"""report.html: one self-contained page of an evaluation. It loads nothing from anywhere."""

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import soundfile
import torch

from omni_audio.evaluation.charts import bar_chart, line_chart, read_metrics, sound_uri, spectrogram_uri
from omni_audio.evaluation.reference_sounds import SHOWN, worst_failures
from omni_audio.evaluation.reference_table import TABLE
from omni_audio.evaluation.report_reference import not_measured, reference_charts, reference_table
from omni_audio.evaluation.results import Results, Sample, format_interval, format_number
from omni_audio.evaluation.sounds import MADE_BY_MODEL, NUM_SHOWN, worst
from omni_audio.files import written_whole

REPORT_NAME = "report.html"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
TILES = (
    ("wer_percent", "word error rate", "%"),
    ("tool_exact_percent", "tool calls right", "%"),
    ("instruction_percent", "instructions followed", "%"),
    ("speech_wer_percent", "word error rate of its speech", "%"),
    ("first_audio_ms", "to the first sound", "ms"),
    ("kbps", "audio codes", "kbit/s"),
)
KIND_TITLES = {
    "say": "Speech from text",
    "say_unseen": "Speech from held-out sentences",
    "reply": "Spoken replies",
    "resynthesis": "Tokenizer resynthesis of answers",
    "request_resynthesis": "Tokenizer resynthesis of held-out voices",
    "transcribe": "Transcripts",
    "tool": "Tool calls",
    "answer": "Answers without a call",
    "human": "Recorded human clips",
    "speed": "One text by speed",
}


def write_report(results: Results, output: Path, metrics: Sequence[Path] = ()) -> Path:
    """Writes `output`/report.html, whole or not at all.

    Args:
        results: what `evaluate` gave, or `Results.read` of its file.
        output: the results folder, where the sounds of the samples lie.
        metrics: metrics.csv files of training runs; each gets a section of curves, titled by its stage.

    Returns:
        The path of the page.

    Raises:
        ValueError: a metrics file is missing or has no step column.
    """
    if TABLE in results.tables:
        shown = [reference_table(results), reference_charts(results), _curves(metrics)]
        shown += [_chosen(results, output), _ten_worst(results, output)]
    else:
        shown = [_figures(results), _voices(results), _curves(metrics)]
        shown += [_sounds(results, output), _failures(results, output)]
    body = [
        _head(results),
        *shown,
        _definitions(results),
        _record(results),
    ]
    style = files("omni_audio.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    title = escape(str(results.record.get("build", "evaluation")))
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}: evaluation</title><style>{style}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )
    path = output / REPORT_NAME
    output.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _head(results: Results) -> str:
    record = results.record
    facts = [
        f"split {record.get('split')}",
        f"weights {record.get('weight_quant')}",
        f"judge {record.get('judge')}",
        f"commit {record['commit'][:10]}" if record.get("commit") else "no commit",
    ]
    tiles = []
    for name, label, unit in TILES:
        if name not in results:
            continue
        figure = results[name]
        beside = f"{format_interval(figure.low, figure.high)}<br>n = {figure.n}"
        tiles.append(
            f'<div class="tile"><b>{format_number(figure.value)} {unit}</b>{label}<span>{beside}</span></div>'
        )
    return (
        f"<h1>{escape(str(record.get('build', 'Evaluation')))}</h1>"
        f'<div class="muted">{escape(" · ".join(facts))}</div><div class="tiles">{"".join(tiles)}</div>'
    )


def _figures(results: Results) -> str:
    rows = []
    for figure in results:
        reference = "-" if figure.reference is None else format_number(figure.reference)
        rows.append(
            f"<tr><td>{figure.name}</td><td>{format_number(figure.value)}</td>"
            f"<td>{format_interval(figure.low, figure.high)}</td><td>{figure.n}</td>"
            f'<td>{reference}</td><td class="text muted">{escape(figure.reference_definition)}</td></tr>'
        )
    return (
        "<h2>Figures</h2>"
        '<p class="note">The reference column is what the reference system states about itself, on its data '
        "and machine: for orientation, not a like-for-like comparison. Intervals are 95 % bootstrap "
        "intervals over items, and Wilson's for shares where every item agrees; other figures have no width there, "
        "which does not mean certainty.</p>"
        '<div class="wide"><table><thead><tr><th>figure</th><th>ours</th><th>95 % interval</th>'
        '<th>n</th><th>reference</th><th class="text">what the reference states</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{not_measured(results)}"
    )


def _voices(results: Results) -> str:
    parts = []
    for table, column, value, title in (
        ("wer_by_voice", "voice", "wer_percent", "Word error rate by voice"),
        ("wer_by_domain", "domain", "wer_percent", "Word error rate by domain"),
        ("instruction_by_domain", "domain", "instruction_percent", "Instructions followed by domain"),
    ):
        rows = results.tables.get(table)
        if rows:
            parts.append(f"<h2>{title}</h2>{bar_chart(rows, column, value)}")
    return "".join(parts)


def stage_of(path: Path) -> str:
    """`runs/demo/model/metrics/version_1/metrics.csv` -> `model, version_1`; else the folder's name."""
    folders = path.parts[:-1]
    if "metrics" not in folders[1:]:
        return path.parent.name or "run"
    place = len(folders) - 1 - folders[::-1].index("metrics")
    return ", ".join([folders[place - 1], *folders[place + 1 :]])


def _curves(metrics: Sequence[Path]) -> str:
    parts = []
    for path in metrics:
        title, curves = stage_of(path), read_metrics(path)
        cards = [f'<div class="card"><h4>{escape(c.name)}</h4>{line_chart(c)}</div>' for c in curves]
        parts.append(f'<h2>Training: {escape(title)}</h2><div class="grid">{"".join(cards)}</div>')
    return "".join(parts)


def _sounds(results: Results, output: Path) -> str:
    parts = []
    for kind in MADE_BY_MODEL:
        shown = [sample for sample in results.samples if sample.kind == kind and sample.sounds][:NUM_SHOWN]
        if shown:
            cards = "".join(_card(sample, output, spectrograms=True) for sample in shown)
            parts.append(f'<h3>{KIND_TITLES[kind]}</h3><div class="grid">{cards}</div>')
    note = '<p class="note">Spectrograms: log-mel, 0 to 8 kHz, over the length of the clip.</p>'
    return f"<h2>Sounds</h2>{note}{''.join(parts)}" if parts else ""


def _chosen(results: Results, output: Path) -> str:
    """The sounds that the suite `reference` chose to be listened to."""
    parts = []
    for kind, number in SHOWN.items():
        chosen = [sample for sample in results.samples if sample.kind == kind and sample.sounds][:number]
        if chosen:
            cards = "".join(_card(sample, output, spectrograms=False) for sample in chosen)
            parts.append(f'<h3>{KIND_TITLES[kind]}</h3><div class="grid">{cards}</div>')
    return f"<h2>Sounds</h2>{''.join(parts)}" if parts else ""


def _ten_worst(results: Results, output: Path) -> str:
    """Transcripts and turns of talks that went wrong, with what was heard."""
    cards = "".join(
        _card(sample, output, spectrograms=False)
        for sample in worst_failures(results.samples)
        if sample.sounds
    )
    return f'<h2>Worst failures</h2><div class="grid">{cards}</div>' if cards else ""


def _failures(results: Results, output: Path) -> str:
    parts = []
    for kind, title in KIND_TITLES.items():
        samples = worst(results.samples, kind)
        if samples:
            cards = "".join(_card(sample, output, spectrograms=False) for sample in samples)
            parts.append(f'<h3>{title}</h3><div class="grid">{cards}</div>')
    return f"<h2>Worst failures</h2>{''.join(parts)}" if parts else ""


def _card(sample: Sample, output: Path, *, spectrograms: bool) -> str:
    sounds = "".join(_sound(label, output / name, spectrograms) for label, name in sample.sounds.items())
    got = "not heard by a judge" if sample.got is None else sample.got or "(nothing)"
    score = "" if not sample.score else f' <span class="score">errors {100 * sample.score:.0f} %</span>'
    wanted = "its own transcript" if sample.kind == "reply" else "wanted"
    is_sound = sample.kind in (*MADE_BY_MODEL, "speed")
    heard = "heard by the judge" if is_sound else "given by the model"
    return (
        f'<div class="card"><h4>{escape(sample.item_id)} · {escape(sample.voice)}{score}</h4>'
        f"<dl><dt>{wanted}</dt><dd>{escape(sample.wanted)}</dd><dt>{heard}</dt><dd>{escape(got)}</dd></dl>{sounds}</div>"
    )


def _sound(label: str, path: Path, spectrogram: bool) -> str:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    picture = ""
    if spectrogram:
        uri = spectrogram_uri(torch.from_numpy(samples))
        picture = f'<img alt="log-mel spectrogram, 0 to 8 kHz" src="{uri}">'
    caption = f"{escape(label)}, {len(samples) / rate_hz:.1f} s"
    return (
        f'<figure class="sound">{picture}<figcaption>{caption}</figcaption>'
        f'<audio controls preload="none" src="{sound_uri(torch.from_numpy(samples))}"></audio></figure>'
    )


def _definitions(results: Results) -> str:
    rows = [
        f'<tr><td>{figure.name}</td><td class="text">{escape(figure.definition)}</td></tr>'
        for figure in results
    ]
    return f'<h2>Definitions</h2><div class="wide"><table><tbody>{"".join(rows)}</tbody></table></div>'


def _record(results: Results) -> str:
    text = escape(json.dumps(results.record, indent=2, ensure_ascii=False, default=str))
    seen = results.record.get("seen_in_training", {})
    lines: Sequence[str] = [
        f"{seen[name]} of {seen['items']} items share their {name} with training"
        for name in ("voice", "template", "request", "answer")
        if name in seen
    ]
    held_out = f'<p class="note">{"; ".join(lines)}.</p>' if lines else ""
    return f"<h2>Run</h2>{held_out}<pre>{text}</pre>"
