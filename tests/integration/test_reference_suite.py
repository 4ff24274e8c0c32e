"""`omni-audio eval suite=reference` on a tiny build and a tiny corpus of talks: every row runs, or says why not."""

import contextlib
import json
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from omni_audio.data.corpora.synth import CorpusConfig, CorpusDomain, build_corpus
from omni_audio.evaluation import live_figures
from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.evaluation.harness import EvalConfig, EvalWeightQuant
from omni_audio.evaluation.judge import JudgeKind
from omni_audio.evaluation.judges import Judges
from omni_audio.evaluation.reference_suite import evaluate_reference, run_reference
from omni_audio.evaluation.reference_table import ROWS, TABLE, markdown
from omni_audio.evaluation.report import write_report

NAMED = {
    "wer_percent", "tool_exact_percent", "voice_gap_points", "predicted_mos", "predicted_mos_source",
    "first_audio_p50_ms", "first_token_p50_ms", "speech_wer_percent", "n",
}  # fmt: skip
PAIRED = {"tool_schema_valid_percent", "compliance_percent", "abstention_percent", "nf4_memory_ratio"}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A corpus of each domain."""
    for module in ("espeakng_loader", "py_nanotts"):
        pytest.importorskip(module, reason="needs the extra `corpus`")
    sizes = {"num_train_items": 3, "num_dev_items": 1, "num_test_items": 4, "num_drills": 0, "num_workers": 0}
    folder = tmp_path_factory.mktemp("corpora")
    return {
        domain.value: build_corpus(
            CorpusConfig(domain=domain, output_voice="espeak-en-us-m1", **sizes), folder / domain.value
        ).folder
        for domain in CorpusDomain
    }


def config_of(build: Path, corpus: Path, output: Path, **changes: object) -> EvalConfig:
    sizes = {"num_items": 3, "num_tool_items": 3, "num_speech_items": 2, "num_latency_items": 2}
    sizes |= {"num_control_items": 1, "num_condition_items": 1, "num_speed_items": 1, "num_stream_steps": 2}
    facts = {"judge": JudgeKind.none, "num_nf4_items": 0, "num_takes": 1, **sizes, **changes}
    return EvalConfig(build=str(build), corpus=str(corpus), output=str(output), **facts)


def load_short(build: Path, quant: str) -> AssistantSubject:
    """A build whose texts are cut: untrained ones never end."""
    subject = AssistantSubject.load(build, quant)
    subject.max_text_tokens = 12
    return subject


class Ears:
    name = "fake"

    def transcribe(self, clips: list[Tensor]) -> list[str]:
        return ["one two" for _ in clips]


@pytest.fixture
def served_here(live_server, tiny_build: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The real server in a thread instead of a process; what it was asked to be."""
    asked = []

    @contextlib.contextmanager
    def start(build: Path, overrides: list[str]) -> Iterator[types.SimpleNamespace]:
        assert build == tiny_build
        asked.append(list(overrides))
        with live_server(num_slots=1) as url:
            yield types.SimpleNamespace(url=url, rss_mib=lambda: 100.0)

    monkeypatch.setattr(live_figures, "live_server", start)
    return asked


def test_every_row_is_measured_or_says_why_not(
    tiny_build: Path, corpora: dict[str, Path], tmp_path: Path, served_here: list[list[str]]
) -> None:
    level = types.SimpleNamespace(name="level", score=lambda pcm_S: 1.0 + float(pcm_S.abs().max()))
    judges = Judges(
        Ears(), {"predicted_mos": level, "distill_mos": "distillmos is missing"}, "no resemblyzer"
    )
    results = evaluate_reference(config_of(tiny_build, corpora["assistant"], tmp_path), load_short, judges)
    figures = {row["figure"] for row in results.tables[TABLE]}
    for row in ROWS:
        assert (row.figure in figures) != (row.figure in results.absent), row.figure
    assert results.absent["distill_mos"] == "distillmos is missing"
    assert results.absent["turn_similarity"] == "no resemblyzer"
    assert results.absent["nf4_memory_ratio"] == "needs weight_quant: both"
    line = json.loads(results.last_line())
    assert set(line) >= NAMED
    assert line["n"] == line["n_by_figure"]["wer_percent"] == 3
    assert not set(line) & set(results.absent)
    assert set(line) | set(results.absent) >= NAMED | PAIRED
    assert results["untrained_tool_exact_percent"].value == results["silent_tool_exact_percent"].value == 0
    assert results["first_audio_p50_ms"].value >= results["first_token_p50_ms"].value > 0
    assert results["real_time_streams"].n == 2
    assert served_here == [
        [
            "weight_quant=none",
            "server.num_slots=1",
            "runtime.device=cpu",
            f"runtime.num_threads={torch.get_num_threads()}",
        ]
    ]
    text = markdown(results)
    assert all(f"`{name}`: {reason}" in text for name, reason in results.absent.items())
    page = write_report(results, tmp_path / "reference").read_text()
    for title in (
        "Beside the reference system",
        "by voice",
        "by noise",
        "Confusion of tools",
        "Quality by speed",
    ):
        assert title in page
    assert page.count("<audio") == page.count("data:audio/ogg;base64,") >= 2 * 2 + 2 * 2 + 6
    assert "Latency of the server" in page
    assert all(outside not in page for outside in ("http:", "https:", "<script", "<link"))


def test_what_costs_nothing_is_absent_and_the_same_again_is_read(
    tiny_build: Path, corpora: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = dict.fromkeys(
        ("num_tool_items", "num_speech_items", "num_latency_items", "num_control_items",
         "num_condition_items", "num_speed_items", "num_stream_steps"), 0,
    )  # fmt: skip
    config = config_of(tiny_build, corpora["assistant"], tmp_path, num_items=1, **none)
    first = run_reference(config)
    again = capsys.readouterr().out
    assert {row["figure"] for row in first.tables[TABLE]} == {
        "wer_percent", "stream_cache_mib", "stream_cache_int8_mib",
    }  # fmt: skip
    for name in ("tool_exact_percent", "compliance_percent", "first_audio_p50_ms", "speech_wer_percent"):
        assert "is 0" in first.absent[name] or "judge is none" in first.absent[name], name
    assert (tmp_path / "reference" / "reference.md").read_text() in again
    assert run_reference(config).figures == first.figures
    said = capsys.readouterr().out
    assert "already done" in said
    assert json.loads(said.splitlines()[-1])["suite"] == "reference"


def test_memory_of_both_number_formats_stands_beside_one_another(
    tiny_build: Path, corpora: dict[str, Path], tmp_path: Path, served_here: list[list[str]]
) -> None:
    pytest.importorskip("bitsandbytes")
    few = {"num_tool_items": 0, "num_speech_items": 0, "num_control_items": 0, "num_latency_items": 1}
    config = config_of(
        tiny_build, corpora["assistant"], tmp_path, num_items=1, num_condition_items=0, num_stream_steps=0,
        weight_quant=EvalWeightQuant.both, **few,
    )  # fmt: skip
    results = evaluate_reference(config, load_short)
    assert 0 < results["nf4_memory_ratio"].value < 1
    assert results["server_mib"].value == results["nf4_server_mib"].value == 100.0
    assert [asked[0] for asked in served_here] == ["weight_quant=none", "weight_quant=nf4"]


def test_a_corpus_of_another_domain_is_refused(
    tiny_build: Path, corpora: dict[str, Path], tmp_path: Path
) -> None:
    for corpus in (corpora["commands"], tmp_path / "none"):
        with pytest.raises(ValueError, match=r"eval\.corpus = .* expected a corpus of the assistant domain"):
            run_reference(config_of(tiny_build, corpus, tmp_path))
    assert not (tmp_path / "reference").exists()
