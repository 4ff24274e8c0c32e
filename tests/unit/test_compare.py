"""Figures of several evaluations side by side."""

from pathlib import Path

import pytest

from omni_audio.cli.main import main
from omni_audio.evaluation.compare import compare
from omni_audio.evaluation.results import Figure, Results


def written(folder: Path, build: str, values: dict[str, float], definition: str = "Wrong words.") -> Path:
    results = Results(record={"build": build})
    for name, value in values.items():
        results.add(Figure(name=name, value=value, n=7, low=value - 1, high=value + 1, definition=definition))
    results.write(folder / "results.json")
    return folder


def test_the_change_and_what_one_of_them_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(
        tmp_path / "a", "old", {"wer_percent": 50.0, "tool_exact_percent": 10.0, "cer_percent": 4.0}
    )
    after = written(tmp_path / "b", "new", {"wer_percent": 20.5, "tool_exact_percent": 30.0})
    assert main(["compare", str(before), str(after / "results.json")]) == 0
    said = capsys.readouterr().out
    header, _, wer, tools, *_ = said.splitlines()
    assert header.split() == ["figure", "old", "new", "change"]
    assert " ".join(wer.split()) == "wer_percent 50 (49 - 51; n 7) 20.5 (19.5 - 21.5; n 7) -29.5"
    assert tools.endswith("+20")
    assert "not in all of them: cer_percent" in said


def test_three_have_no_change(tmp_path: Path) -> None:
    folders = [written(tmp_path / name, name, {"wer_percent": 1.0}) for name in "abc"]
    table, missing = compare(folders)
    assert table.splitlines()[0].split() == ["figure", "a", "b", "c"]
    assert missing == []


def test_definitions_may_count_other_items(tmp_path: Path) -> None:
    folders = [
        written(tmp_path / name, name, {"wer_percent": 1.0}, f"Wrong words. {number} of 40 texts were heard.")
        for name, number in (("a", 7), ("b", 11))
    ]
    assert compare(folders)[1] == []


def test_the_committed_results_compare() -> None:
    folder = Path(__file__).parents[2] / "experiments/results"
    table, _ = compare([folder / "demo.json", folder / "nano.json"])
    assert "\nwer_percent " in table


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one = written(tmp_path / "a", "a", {"wer_percent": 1.0})
    other = written(tmp_path / "b", "b", {"wer_percent": 1.0}, "Wrong letters.")
    third = written(tmp_path / "c", "c", {"cer_percent": 1.0})
    for paths, message in (
        ([one], "at least 2"),
        ([one, other], "definition"),
        ([one, third], "in common"),
        ([one, tmp_path / "none"], "none"),
    ):
        with pytest.raises(ValueError, match=message):
            compare(paths)
