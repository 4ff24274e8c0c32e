"""Benchmarks as whole scripts in their quick form: the figures that their docstrings name are in the last line."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import long_stream
import neighbours
import nf4_load
import operators
import pytest

ROOT = Path(__file__).parents[2]


def named_in(docstring: str | None) -> set[str]:
    """What stands first in the indented lines: keys of the last line."""
    lines = (docstring or "").splitlines()
    indented = [line.split() for line in lines if line.startswith("    ") and line[4:5].strip()]
    return {words[0] for words in indented if words[0] != "python"}


def last_line(script: str, *words: str) -> dict[str, Any]:
    """What the script prints last."""
    command = [sys.executable, f"benchmarks/{script}.py", "--quick", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_of_a_span_the_most_memory_is_kept():
    times = long_stream.Times()
    for span, mib in ((0, 10.0), (0, 12.0), (0, 11.0), (1, 15.0), (1, 9.0)):
        times.add_rss(span, mib)
    for span in (0, 1):
        times.step_s[span], times.hear_s[span] = [0.1], [0.1]
    assert times.rss_mib == {0: 12.0, 1: 15.0}
    assert long_stream.figures(times)["long_stream_rss_growth_mib"] == 3.0


@pytest.mark.parametrize("words", [["--minutes", "2"], ["--answer-every-s", "0"], ["--answer-every-s", "61"]])
def test_what_is_out_of_range_is_refused(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["long_stream.py", *words])
    with pytest.raises(SystemExit):
        long_stream.arguments()
    assert f"{float(words[1]):g} is not allowed: expected at " in capsys.readouterr().err


@pytest.mark.skipif(not long_stream.TOKENIZER.is_dir(), reason="needs the tokenizer of the repository")
def test_a_stream_is_measured_for_a_minute():
    line = last_line("long_stream", "--threads", "1")
    names = named_in(long_stream.__doc__)
    assert "long_stream_step_ratio" in names
    if not Path("/proc/self/statm").exists():
        names -= {"long_stream_rss_growth_mib"}
    assert names <= line.keys()
    assert all(math.isfinite(line[name]) for name in names)
    assert line["pinned_prompt_kept"] is True
    assert line["pinned_prompt_effect"] > 0
    assert (line["heard_s"], line["threads"], line["torch_threads"]) == (60.0, 1, 1)
    assert line["num_steps"] > 12


def test_operators_of_a_step_are_counted():
    line = last_line("operators", "--threads", "1")
    for case in ("decode", "prefill", "train"):
        assert 0 < line[f"products_share_{case}"] < 1
        assert line[f"operators_{case}_nano"] == line[f"operators_{case}"] > 100


def test_the_share_of_products_counts_products_alone():
    times = {"aten::mm": (3.0, 2), "aten::mul": (1.0, 5)}
    assert operators.products_share(times) == 0.75


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_loading_is_measured():
    line = last_line("nf4_load")
    names = named_in(nf4_load.__doc__)
    assert "load_peak_rss_mib" in names
    assert names <= line.keys()
    assert line["ratio"] == pytest.approx(line["load_peak_rss_mib"] / line["final_rss_mib"], abs=2e-3)
    assert 4 < line["nf4_bits_per_param"] < 4.2
    assert line["nf4_network_ratio"] < line["nf4_memory_ratio"] < 1
    assert {"packed_while_loading", "full"} <= line.keys()


def test_answers_that_differ_are_counted_with_the_draws_before():
    found = neighbours.compare([[1, 2, 3], [4, 5, 6]], [[1, 2, 3], [4, 9, 9]])
    assert (found["answers"], found["changed_answers"], found["draws"]) == (2, 1, 3 + 1 + 1)
    assert found["draws_per_change"] == 5
    assert neighbours.compare([[1]], [[1]])["draws_per_change"] is None
    assert neighbours.same_until([1, 2], [1, 2, 3]) == 2


def test_answers_beside_others_are_the_same():
    line = last_line("neighbours", "--threads", "1")
    assert line["changed_answers"] == 0
    assert line["draws"] > 100
