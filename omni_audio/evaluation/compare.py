"""Figures of several evaluations side by side."""

import re
from pathlib import Path

from omni_audio.checks import require
from omni_audio.evaluation.results import Results, format_interval, format_number

RESULTS_FILE = "results.json"
COUNT = re.compile(r"\d+")
"""A definition says of how many items something held, which differs from run to run."""


def results_path(path: Path) -> Path:
    """The results file itself, or the one in a folder that `omni-audio eval` wrote."""
    return path / RESULTS_FILE if path.is_dir() else path


def compare(paths: list[Path]) -> tuple[str, list[str]]:
    """The figures that all evaluations have, a column each; with two of them the difference, second less first.

    Args:
        paths: results files or their folders, at least two.

    Returns:
        The table, and the figures that one of them lacks.

    Raises:
        ValueError: fewer than two, a file that is missing or of another version, a figure that is defined differently,
            or no figure in common.
    """
    require(len(paths) >= 2, "results", len(paths), "at least 2", "Name two folders of omni-audio eval.")
    found = [Results.read(results_path(path)) for path in paths]
    every = list(dict.fromkeys(name for results in found for name in results.figures))
    common = [name for name in every if all(name in results for results in found)]
    require(bool(common), "results", [str(path) for path in paths], "one figure in common", "Compare others.")
    for name in common:
        definitions = {COUNT.sub("N", results[name].definition) for results in found}
        require(
            len(definitions) == 1,
            f"{name}.definition",
            sorted(definitions),
            "the same in all",
            "Evaluate them with one version of the code.",
        )
    with_change = len(found) == 2
    rows = [
        [
            "figure",
            *(str(results.record.get("build", path)) for results, path in zip(found, paths, strict=True)),
        ]
    ]
    rows[0] += ["change"] if with_change else []
    for name in common:
        figures = [results[name] for results in found]
        cells = [f"{format_number(f.value)} ({format_interval(f.low, f.high)}; n {f.n})" for f in figures]
        if with_change:
            change = figures[1].value - figures[0].value
            cells.append(("+" if change > 0 else "-" if change < 0 else "") + format_number(abs(change)))
        rows.append([name, *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines), [name for name in every if name not in common]
