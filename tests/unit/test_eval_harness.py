import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import torch
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from torch import Tensor, nn

from omni_audio.audio.io import save_wav
from omni_audio.evaluation.charts import read_metrics
from omni_audio.evaluation.harness import EvalConfig, EvalWeightQuant, evaluate
from omni_audio.evaluation.judge import JudgeKind, load_judge
from omni_audio.evaluation.latency import time_replies
from omni_audio.evaluation.memory import WeightBytes, count_weights, saving_percent
from omni_audio.evaluation.report import stage_of, write_report
from omni_audio.evaluation.results import Figure, Results
from omni_audio.evaluation.sounds import worst
from omni_audio.evaluation.subject import EncodedAudio, SpokenAnswer, TextAnswer, TimedAnswer

REQUESTS = (
    ("set the volume to four", {"name": "set_volume", "arguments": {"level": 4}}, "the volume is now four"),
    ("set the volume to nine", {"name": "set_volume", "arguments": {"level": 9}}, "the volume is now nine"),
    ("kitchen light on", {"name": "set_light", "arguments": {"room": "kitchen"}}, "the kitchen light is on"),
    ("how are you", None, "i am fine thank you"),
    ("two plus seven", None, "two plus seven is nine"),
)


def tone(num_samples: int) -> Tensor:
    return 0.3 * torch.sin(torch.arange(num_samples) * 0.2)


def make_corpus(folder: Path, num_test: int = 10) -> None:
    """Requests of a length of their own each; test voices and templates do not stand in training."""
    for split, count in (("train", 3), ("test", num_test)):
        cuts = []
        for index in range(count):
            text, call, answer = REQUESTS[index % len(REQUESTS)]
            request_path, answer_path = (
                folder / f"{split}-{index}-{part}.wav" for part in ("request", "answer")
            )
            save_wav(request_path, tone(8000 + 10 * index))
            save_wav(answer_path, tone(16000 + 10 * index))
            recording = Recording.from_file(request_path)
            voice = f"{split}-voice-{index % 2}"
            supervision = SupervisionSegment(
                id=f"{split}-{index}",
                recording_id=recording.id,
                start=0.0,
                duration=recording.duration,
                text=text,
                speaker=voice,
            )
            custom = {
                "item_id": f"{split}-item-{index}",
                "template_id": f"{split}-template-{index % 5}",
                "domain": "tools" if call else "talk",
                "answer": answer,
                "plain_answer": answer,
                "tool_call": call,
                "tool_result": "ok" if call else None,
                "answer_recording": Recording.from_file(answer_path),
                "plain_answer_recording": Recording.from_file(answer_path),
            }
            cut = MonoCut(
                id=f"{split}-{index}",
                start=0.0,
                duration=recording.duration,
                channel=0,
                recording=recording,
                supervisions=[supervision],
                custom=custom,
            )
            cuts.append(cut)
        CutSet.from_cuts(cuts).to_file(folder / f"cuts-{split}.jsonl.gz")


class FakeSubject:
    """Right about every request but those in `wrong`, answers to which end where `stops`; untrained about none."""

    def __init__(
        self, wrong: tuple[int, ...] = (), trained: bool = True, silent: bool = False, stops: bool = True
    ) -> None:
        self.wrong, self.trained, self.silent, self.stops = wrong, trained, silent, stops
        self.layer = nn.Linear(4, 4)

    def _index(self, pcm_S: Tensor) -> int:
        return (pcm_S.numel() - 8000) // 10

    def transcribe(self, requests: Iterable[Tensor]) -> list[str]:
        return [self._transcript(self._index(pcm_S)) for pcm_S in requests]

    def _transcript(self, index: int) -> str:
        if not self.trained or index in self.wrong:
            return "nothing of this"
        return REQUESTS[index % len(REQUESTS)][0]

    def answer_text(self, requests: Iterable[Tensor | str]) -> list[TextAnswer]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Tensor | str) -> TextAnswer:
        if not self.trained:
            return TextAnswer("", ('{"name": "set_volume", "arg',), stopped=False)
        if isinstance(request, str):
            index = [text for text, _, _ in REQUESTS].index(request)
        elif self._index(request) in self.wrong:
            return TextAnswer("no", (), stopped=self.stops)
        else:
            index = self._index(request) % len(REQUESTS)
        _, call, answer = REQUESTS[index]
        return TextAnswer("" if call else answer + ".", (json.dumps(call),) if call else (), stopped=True)

    def answer_speech(self, requests: Iterable[Tensor]) -> list[SpokenAnswer]:
        answer = SpokenAnswer("", torch.zeros(0)) if self.silent else SpokenAnswer("fine", tone(3200))
        return [answer for _ in requests]

    def say(self, texts: Iterable[str], takes: int) -> list[Tensor]:
        return [torch.zeros(0) if self.silent else tone(1600 * len(text.split())) for text in texts]

    def answer_alone(self, pcm_S: Tensor) -> TimedAnswer:
        return TimedAnswer(torch.zeros(0), None) if self.silent else TimedAnswer(tone(3200), 0.25)

    def encode(self, pcm_S: Tensor) -> EncodedAudio:
        return EncodedAudio(pcm_S, 7, 0.064 * pcm_S.numel())

    def decode(self, encoded: EncodedAudio) -> Tensor:
        assert isinstance(encoded.codes, Tensor)
        return encoded.codes

    def weights(self) -> WeightBytes:
        return count_weights(self.layer)

    def untrained(self, seed: int) -> "FakeSubject":
        return FakeSubject(trained=False)


class FakeJudge:
    """Hears the right words of recorded answers only by their length; else one word."""

    name = "fake"

    def transcribe(self, clips: Sequence[Tensor]) -> list[str]:
        return ["" if pcm_S.numel() == 0 else "volume" for pcm_S in clips]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder)
    return folder


def config_for(corpus, output, **changes):
    given = {
        "build": "builds/omni-audio-fake-2025-01-01",
        "corpus": str(corpus),
        "output": str(output),
        "num_items": 10,
        "num_tool_items": 10,
        "num_speech_items": 4,
        "num_latency_items": 3,
        "num_control_items": 4,
        "num_nf4_items": 10,
        "judge": JudgeKind.none,
        "judge_threads": 1,
    }
    return EvalConfig(**(given | changes))


def test_a_perfect_model_scores_perfect_and_its_shuffled_control_does_not(corpus, tmp_path):
    results = evaluate(config_for(corpus, tmp_path), lambda build, quant: FakeSubject(), FakeJudge())
    assert results["wer_percent"].value == 0
    assert results["tool_exact_percent"].value == 100
    assert results["tool_exact_percent"].n == 6
    assert results["instruction_percent"].value == 100
    assert results["voice_gap_points"].value == 0
    assert results["shuffled_tool_exact_percent"].value < 100
    assert results["untrained_wer_percent"].value == pytest.approx(100, abs=30)
    assert results["untrained_tool_exact_percent"].value == 0
    assert results["first_audio_ms"].value == pytest.approx(250)
    assert results["kbps"].value == pytest.approx(1.024)
    assert results["compression_ratio"].value == pytest.approx(250)
    assert results["speech_wer_percent"].value > 0
    assert results.record["seen_in_training"] == {
        "items": 10, "voice": 0, "template": 0, "request": 6, "answer": 6,
    }  # fmt: skip


def test_mistakes_show_in_figures_tables_and_samples(corpus, tmp_path):
    results = evaluate(
        config_for(corpus, tmp_path), lambda build, quant: FakeSubject(wrong=(0, 3)), FakeJudge()
    )
    assert results["wer_percent"].value > 0
    assert results["tool_exact_percent"].value == pytest.approx(500 / 6)
    assert results["answer_exact_percent"].value == pytest.approx(75)
    assert results["no_call_percent"].value == 100
    assert results["instruction_percent"].value == pytest.approx(80)
    assert results["voice_gap_points"].value == pytest.approx(100 / 6)
    rows = {row["voice"]: row for row in results.tables["wer_by_voice"]}
    assert set(rows) == {"test-voice-0", "test-voice-1"}
    assert sum(row["n"] for row in rows.values()) == 10
    bad = worst(results.samples, "transcribe")
    assert {sample.item_id for sample in bad} == {"test-0", "test-3"}
    assert all((tmp_path / name).is_file() for sample in bad for name in sample.sounds.values())


def test_what_was_not_measured_is_absent_and_never_zero(corpus, tmp_path):
    config = config_for(corpus, tmp_path, num_control_items=0, num_latency_items=0)
    results = evaluate(config, lambda build, quant: FakeSubject())
    line = json.loads(results.last_line())
    for name in (
        "speech_wer_percent",
        "source_wer_percent",
        "first_audio_ms",
        "untrained_wer_percent",
        "mos",
    ):
        assert name not in results
        assert name not in line
        assert results.absent[name]
    assert "judge is none" in results.table()
    assert line["n"] == line["n_by_figure"]["wer_percent"] == 10


def test_silent_speech_counts_as_deletions_and_has_no_latency(corpus, tmp_path):
    results = evaluate(
        config_for(corpus, tmp_path), lambda build, quant: FakeSubject(silent=True), FakeJudge()
    )
    assert results["speech_wer_percent"].value == 100
    assert "empty" in results["speech_wer_percent"].definition
    assert "first_audio_ms" in results.absent
    assert "reply_speech_wer_percent" in results.absent


def test_nf4_is_paired_with_full_precision(corpus, tmp_path):
    loaded = []

    def load(build, quant):
        loaded.append(quant)
        return FakeSubject(wrong=(1,), stops=False) if quant == "nf4" else FakeSubject()

    config = config_for(corpus, tmp_path, weight_quant=EvalWeightQuant.both)
    results = evaluate(config, load)
    assert loaded == ["none", "nf4"]
    assert results["nf4_wer_change_points"].value == pytest.approx(results["nf4_wer_percent"].value)
    assert results["nf4_tool_exact_change_points"].value == pytest.approx(-100 / 6)
    num = config.num_nf4_items
    assert (results["stopped_percent"].value, results["nf4_stopped_percent"].n) == (100, num)
    assert results["nf4_stopped_percent"].value == pytest.approx(100 - 100 / num)
    assert results["nf4_stopped_change_points"].value == pytest.approx(-100 / num)
    assert "memory_saving_percent" in results
    only = evaluate(config_for(corpus, tmp_path, weight_quant=EvalWeightQuant.nf4), load)
    assert "fp16_weight_bytes" in only.absent
    assert "memory_saving_percent" in only.absent


def test_int4_is_measured_alone(corpus, tmp_path):
    loaded = []

    def load(build, quant):
        loaded.append(quant)
        return FakeSubject()

    results = evaluate(config_for(corpus, tmp_path, weight_quant=EvalWeightQuant.int4), load)
    assert loaded == ["int4"]
    assert results.record["weight_quant"] == "int4"
    assert results["wer_percent"].value == 0
    assert {"fp16_weight_bytes", "nf4_weight_bytes", "nf4_wer_percent"} <= results.absent.keys()


def test_the_same_seed_gives_the_same_figures(corpus, tmp_path):
    names = ("wer_percent", "cer_percent", "tool_exact_percent", "shuffled_tool_exact_percent")
    config = config_for(corpus, tmp_path, num_items=6, num_tool_items=6, num_nf4_items=6)
    first, second = (evaluate(config, lambda build, quant: FakeSubject(wrong=(0, 5))) for _ in range(2))
    assert [first[name] for name in names] == [second[name] for name in names]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"num_items": 0}, "num_items"),
        ({"num_tool_items": 11}, "num_tool_items"),
        ({"num_control_items": -1}, "num_control_items"),
        ({"split": "train"}, "split"),
        ({"judge": JudgeKind.folder}, "judge_folder"),
        ({"judge_folder": "somewhere"}, "judge_folder"),
    ],
)
def test_config_refuses(tmp_path, changes, name):
    with pytest.raises(ValueError, match=name):
        config_for(tmp_path, tmp_path, **changes)


def test_too_few_items_are_refused_not_shortened(corpus, tmp_path):
    with pytest.raises(ValueError, match="at most 10"):
        evaluate(config_for(corpus, tmp_path, num_items=11), lambda build, quant: FakeSubject())


def test_missing_judge_package_names_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"omni-audio\[eval\]"):
        load_judge(JudgeKind.whisper_tiny_en)


def test_judge_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"model\.bin"):
        load_judge(JudgeKind.folder, tmp_path)


def test_results_come_back_as_written(tmp_path):
    results = Results(record={"build": "b"})
    results.add(Figure(name="wer_percent", value=5.0, n=3, low=1.0, high=9.0, definition="d", reference=5.2))
    results.leave_out("mos", "no listeners")
    results.write(tmp_path / "deep" / "results.json")
    assert Results.read(tmp_path / "deep" / "results.json") == results
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["results.json"]
    table = results.table()
    assert "5.2" in table
    assert "no listeners" in table
    assert "4.43" in table  # the reference's figure stands even where ours is absent


def test_figures_that_are_no_measurement_are_refused():
    good = {"name": "wer_percent", "value": 1.0, "n": 1, "low": None, "high": None, "definition": "d"}
    for bad in ({"value": float("nan")}, {"n": 0}, {"low": 1.0}, {"definition": ""}, {"name": "WER (%)"}):
        with pytest.raises(ValueError, match="not allowed"):
            Figure(**(good | bad))
    results = Results()
    results.add(Figure(**good))
    with pytest.raises(ValueError, match="not used before"):
        results.add(Figure(**good))
    with pytest.raises(ValueError, match="not measured"):
        results.leave_out("wer_percent", "why")


def test_replies_are_timed_after_a_warm_up():
    now, calls = [0.0], []

    def reply(pcm_S):
        calls.append(pcm_S)
        now[0] += 2.0
        return TimedAnswer(torch.zeros(16000), 0.5) if len(calls) != 3 else TimedAnswer(torch.zeros(0), None)

    timings, num_silent = time_replies(reply, [torch.zeros(1), torch.zeros(2)], 1, lambda: now[0])
    assert len(calls) == 3
    assert num_silent == 1
    assert [(t.first_audio_s, t.wall_s, t.audio_s) for t in timings] == [(0.5, 2.0, 1.0)]


def test_tied_weights_are_counted_once():
    first, second = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
    second.weight = first.weight
    assert count_weights(first, second).num_values == 64
    assert count_weights(first).fp32_bytes == 256
    assert count_weights(first).loaded_bytes == 256
    assert count_weights(nn.Linear(8, 8, bias=False).half()).loaded_bytes == 128
    assert saving_percent(51, 100) == pytest.approx(49)


def test_report_is_self_contained_and_carries_sound_and_curves(corpus, tmp_path):
    results = evaluate(
        config_for(corpus, tmp_path), lambda build, quant: FakeSubject(wrong=(0, 3)), FakeJudge()
    )
    metrics = tmp_path / "model <tiny>" / "metrics" / "metrics.csv"
    metrics.parent.mkdir(parents=True)
    metrics.write_text("epoch,step,train/loss,val/loss,lr\n0,0,5.0,,1\n0,10,3.0,4.0,1\n0,20,2.0,3.5,\n")
    page = write_report(results, tmp_path, [metrics]).read_text()
    assert "data:audio/ogg;base64," in page
    assert "data:image/png;base64," in page
    assert page.count("<polyline") >= 2
    assert "test-voice-0" in page
    assert "model &lt;tiny&gt;" in page
    for outside in ("http:", "https:", "//cdn", "@import", "<script", "<link", 'src="/', "url("):
        assert outside not in page, outside
    sources = [part.split('"', 1)[0] for part in page.split('src="')[1:]]
    assert sources
    assert all(source.startswith("data:") for source in sources)


def test_curves_are_titled_by_stage():
    assert stage_of(Path("runs/demo/model/metrics/version_1/metrics.csv")) == "model, version_1"
    assert stage_of(Path("runs/demo/tokenizer/metrics/metrics.csv")) == "tokenizer"
    assert stage_of(Path("somewhere/metrics.csv")) == "somewhere"


def test_human_clips_are_scored_and_a_missing_one_is_refused(corpus, tmp_path):
    human = tmp_path / "human"
    human.mkdir()
    save_wav(human / "one.wav", tone(8000))
    line = {"file": "one.wav", "text": "set the volume to five", "speaker": "someone"}
    (human / "transcripts.jsonl").write_text(json.dumps(line) + "\n")
    config = config_for(corpus, tmp_path, human_folder=str(human))
    results = evaluate(config, lambda build, quant: FakeSubject())
    assert results["human_wer_percent"].value == pytest.approx(20)
    (human / "one.wav").unlink()
    with pytest.raises(ValueError, match="human clip"):
        evaluate(config, lambda build, quant: FakeSubject())


def test_report_escapes_what_the_model_said(corpus, tmp_path):
    results = evaluate(
        config_for(corpus, tmp_path), lambda build, quant: FakeSubject(wrong=(0,)), FakeJudge()
    )
    for sample in results.samples:
        sample.got = "<img src=x onerror=alert(1)>"
    page = write_report(results, tmp_path).read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_metrics_curves(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,train/loss_step,val_loss,once,note\n1,3.0,,1,a\n2,nan,2.0,,b\n3,1.0,1.5,,c\n")
    curves = {curve.name: curve.series for curve in read_metrics(path)}
    assert curves == {"loss": {"train": [(1.0, 3.0), (3.0, 1.0)], "val": [(2.0, 2.0), (3.0, 1.5)]}}
    path.write_text("time,loss\n1,2\n")
    with pytest.raises(ValueError, match="step"):
        read_metrics(path)
