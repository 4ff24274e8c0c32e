"""An evaluation that is there already is printed, and measured again whenever something it rests on changed."""

import json
from pathlib import Path

import pytest

from omni_audio.evaluation import harness, reuse
from omni_audio.evaluation.bootstrap import Interval
from omni_audio.evaluation.definitions import make_figure
from omni_audio.evaluation.harness import EvalConfig
from omni_audio.evaluation.results import Results


@pytest.fixture
def config(tmp_path: Path) -> EvalConfig:
    build, corpus = tmp_path / "build", tmp_path / "corpus"
    for path in (build / "config.json", build / "model.safetensors", corpus / "cuts-train.jsonl.gz"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("as it was")
    (corpus / "cuts-test.jsonl.gz").write_text("as it was")
    return EvalConfig(build=str(build), corpus=str(corpus), output=str(tmp_path / "eval"))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[EvalConfig]:
    """The configs that were measured, each with a figure of its own."""
    configs: list[EvalConfig] = []

    def evaluate(config: EvalConfig, load: object) -> Results:
        configs.append(config)
        results = Results(record={"build": "build"})
        value = float(len(configs))
        results.add(make_figure("wer_percent", Interval(value, value, value), 3))
        return results

    monkeypatch.setattr(harness, "evaluate", evaluate)
    return configs


def test_the_same_again_is_printed_and_not_measured(config, measured, capsys) -> None:
    harness.run(config)
    first = capsys.readouterr().out
    harness.run(config)
    second = capsys.readouterr().out
    assert len(measured) == 1
    note, _, rest = second.partition("\n")
    assert note == f"eval: already done in {config.output}, delete {config.output} to measure again"
    assert rest == first
    assert json.loads(second.splitlines()[-1])["wer_percent"] == 1.0
    assert f"report: {config.output}/report.html" in second


@pytest.mark.parametrize(
    "changed", ["build/model.safetensors", "corpus/cuts-test.jsonl.gz", "corpus/cuts-train.jsonl.gz"]
)
def test_another_build_or_corpus_in_the_same_place_is_measured(config, measured, tmp_path, changed) -> None:
    harness.run(config)
    (tmp_path / changed).write_text("as it is")
    assert harness.run(config)["wer_percent"].value == 2.0
    assert len(measured) == 2


def test_another_config_device_or_code_is_measured(config, measured, tmp_path, monkeypatch) -> None:
    harness.run(config)
    harness.run(config, device="meta")
    config.seed = 1
    harness.run(config)
    code = tmp_path / "code" / "__init__.py"
    code.parent.mkdir()
    code.write_text("")
    monkeypatch.setattr(reuse.omni_audio, "__file__", str(code))
    harness.run(config)
    assert len(measured) == 4


def test_what_was_not_finished_or_is_of_another_format_is_measured(config, measured, monkeypatch) -> None:
    harness.run(config)
    (Path(config.output) / "report.html").unlink()
    harness.run(config)
    monkeypatch.setattr("omni_audio.evaluation.results.FORMAT_VERSION", 0)
    monkeypatch.setattr(reuse, "FORMAT_VERSION", 0)
    harness.run(config)
    assert len(measured) == 3


def test_the_place_of_the_same_things_does_not_matter(config, tmp_path) -> None:
    before = reuse.fingerprint(config, "cpu")
    (tmp_path / "corpus").rename(tmp_path / "moved")
    config.corpus = str(tmp_path / "moved")
    assert reuse.fingerprint(config, "cpu") == before
