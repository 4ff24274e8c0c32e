"""One evaluation of one build: what is measured, in which order, and what is left out and why."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from omni_audio.checks import require
from omni_audio.evaluation import speech, understanding
from omni_audio.evaluation.items import EvalItem, answers_seen, load_items, seen_in_training
from omni_audio.evaluation.judge import Judge, JudgeKind, load_judge
from omni_audio.evaluation.memory import WeightBytes
from omni_audio.evaluation.record import run_record
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.reuse import fingerprint, stored_results
from omni_audio.evaluation.sounds import write_sounds
from omni_audio.evaluation.subject import Subject
from omni_audio.evaluation.talk_items import (
    HeardTalk,
    holds_talks,
    load_talks,
    talks_seen_in_training,
    turn_items,
)
from omni_audio.evaluation.talk_measures import measure_talks
from omni_audio.model.take_limits import DEFAULT_TAKES, check_takes
from omni_audio.weight_quant.config import NF4Config

if TYPE_CHECKING:
    import torch

RESULTS_NAME = "results.json"


class EvalWeightQuant(Enum):
    """Which weights are measured. `both` measures everything in full precision, then WER and tools in NF4."""

    none = "none"
    nf4 = "nf4"
    int4 = "int4"
    both = "both"


@dataclass(kw_only=True, slots=True)
class EvalConfig:
    """An evaluation.

    Attributes:
        build: folder of the build.
        corpus: folder of the corpus, with cuts-<split>.jsonl.gz.
        split: whose items are scored: held-out voices and wordings.
        output: folder for results.json, sounds and report.html.
        num_items: requests transcribed, at least 1.
        num_tool_items: requests answered with the tools offered, spoken and as text; at most num_items.
        num_rare_turns: of turns with an instruction, a refusal or a question due, talks of the assistant domain beyond
            these are asked until each has so many, or the split has no more; 0 asks no further ones.
        num_speech_items: items whose speech the judge hears; 0 leaves those figures out; at most num_items.
        num_takes: takes of each text that the build speaks; it keeps the one that it reads best itself.
        num_latency_items: spoken replies timed; 0 leaves the latency out; at most num_items.
        num_control_items: requests given to the untrained control; 0 leaves it out; at most num_tool_items.
        num_nf4_items: requests given to the NF4 weights too where weight_quant is both; at most num_tool_items.
        num_condition_items: suite=reference: so many of the requests are heard in noise and by telephone too.
        num_speed_items: suite=reference: of the texts spoken, the first so many are heard at every speed.
        num_stream_steps: suite=reference: steps timed at each number of live replies.
        weight_quant: none, nf4, int4 (on a CPU) or both.
        judge: the independent recogniser, or none.
        judge_folder: of a CTranslate2 Whisper model where judge is folder.
        human_folder: recorded clips with transcripts.jsonl (`file`, `text`); None leaves the figure out.
        judge_threads: clips that the judge hears at once; threads of torch are set by whoever calls.
        seed: draws the items, the bootstrap, the shuffled control and the random weights.
    """

    build: str
    corpus: str
    output: str
    split: str = "test"
    num_items: int = 200
    num_tool_items: int = 200
    num_rare_turns: int = 0
    num_speech_items: int = 50
    num_takes: int = DEFAULT_TAKES
    num_latency_items: int = 20
    num_control_items: int = 20
    num_nf4_items: int = 60
    num_condition_items: int = 60
    num_speed_items: int = 12
    num_stream_steps: int = 40
    weight_quant: EvalWeightQuant = EvalWeightQuant.none
    judge: JudgeKind = JudgeKind.whisper_tiny_en
    judge_folder: str | None = None
    human_folder: str | None = None
    judge_threads: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        require(
            self.num_items >= 1, "eval.num_items", self.num_items, "at least 1", "Score at least one item."
        )
        require(
            self.judge_threads >= 1,
            "eval.judge_threads",
            self.judge_threads,
            "at least 1",
            "Use the core count.",
        )
        check_takes(self.num_takes, "eval.num_takes")
        for name, most in (
            ("num_tool_items", self.num_items),
            ("num_speech_items", self.num_items),
            ("num_latency_items", self.num_items),
            ("num_control_items", self.num_tool_items),
            ("num_nf4_items", self.num_tool_items),
        ):
            value = getattr(self, name)
            allowed = f"0 to {most}"
            require(
                0 <= value <= most,
                f"eval.{name}",
                value,
                allowed,
                "Lower it, or raise the number it is under.",
            )
        for name in ("num_rare_turns", "num_condition_items", "num_speed_items", "num_stream_steps"):
            value = getattr(self, name)
            require(value >= 0, f"eval.{name}", value, "0 or more", "Set 0 to leave the figures out.")
        require(
            self.split != "train",
            "eval.split",
            self.split,
            "a split that is held out",
            "Use test, or dev in tuning.",
        )
        require(
            (self.judge_folder is not None) == (self.judge is JudgeKind.folder),
            "eval.judge_folder",
            self.judge_folder,
            "a folder where judge is folder, else nothing",
            "Set judge: folder beside judge_folder.",
        )

    @property
    def first_weights(self) -> str:
        """The number format that is measured first and most: none, nf4 or int4."""
        return "none" if self.weight_quant is EvalWeightQuant.both else self.weight_quant.value


def empty_results(config: EvalConfig, judge_name: str) -> Results:
    """Results without figures: the record of this evaluation."""
    results = Results(record=run_record(config))
    results.record |= {
        "build": Path(config.build).name,
        "weight_quant": config.weight_quant.value,
        "judge": judge_name,
        "split": config.split,
    }
    return results


def load_subject(
    build: Path, weight_quant: str, device: "torch.device | str" = "cpu", nf4: NF4Config | None = None
) -> Subject:
    """The build in memory of a device, as the scorers ask it; `nf4`: which linears are packed."""
    from omni_audio.evaluation.assistant_subject import (
        AssistantSubject,
    )  # the model is loaded only where needed

    return AssistantSubject.load(build, weight_quant, device=device, nf4=nf4)


def talks_to_ask(config: EvalConfig) -> list[HeardTalk]:
    """`num_items` talks, and where rare turns are wanted the other talks of the split behind them.

    Raises:
        ValueError: there are fewer, or the corpus is of another version.
    """
    num_talks = None if config.num_rare_turns else config.num_items
    return load_talks(Path(config.corpus), config.split, num_talks, config.seed)


def evaluate(
    config: EvalConfig,
    load: Callable[[Path, str], Subject] = load_subject,
    judge: Judge | None = None,
) -> Results:
    """Measures a build and writes sounds of it into the folder `output`.

    Args:
        config: what to measure.
        load: (build folder, "none", "nf4" or "int4") -> the system under test.
        judge: replaces the judge that the config names.

    Returns:
        The figures; what was not measured is in `absent` with the reason.

    Raises:
        ValueError: a folder lacks what the config asks for, or the judge's package is not installed.
    """
    started_s = time.monotonic()
    if judge is None:  # before any work: a missing package must not show after an hour
        folder = None if config.judge_folder is None else Path(config.judge_folder)
        judge = load_judge(config.judge, folder, config.judge_threads)
    corpus, output = Path(config.corpus), Path(config.output)
    results = empty_results(config, "none" if judge is None else judge.name)
    talks: list[HeardTalk] = []
    if holds_talks(corpus):
        talks = talks_to_ask(config)
        drawn = talks[: config.num_items]
        items, answered = turn_items(drawn), turn_items(drawn, spoken_answer=True)
        seen = talks_seen_in_training(corpus, talks)
    else:
        items = answered = load_items(corpus, config.split, config.num_items, config.seed)
        seen = seen_in_training(corpus, items)
    results.record["seen_in_training"] = seen
    subject = load(Path(config.build), config.first_weights)
    transcribed = items[: config.num_items]
    if talks:
        measure_talks(config, results, load, subject, transcribed, talks)
    else:
        found = _understanding(config, results, subject, transcribed)
        _controls(config, results, subject, transcribed)
        _weights(config, results, load, subject, transcribed, found)
    if config.human_folder is None:
        results.leave_out("human_wer_percent", "human_folder is not set")
    else:
        speech.add_human(results, subject, Path(config.human_folder), config.seed)
    made = _speech(config, results, subject, answered, judge, corpus)
    _speed(config, results, subject, answered)
    results.leave_out("mos", "needs human listeners; no predicted score stands in for it")
    results.leave_out("real_time_streams", "measured by the serving benchmark, not here")
    write_sounds(
        results, items, made, output, None if config.human_folder is None else Path(config.human_folder)
    )
    results.record["seconds"] = round(time.monotonic() - started_s, 1)
    return results


def run(
    config: EvalConfig,
    metrics: Sequence[Path] = (),
    device: "torch.device | str" = "cpu",
    nf4: NF4Config | None = None,
) -> Results:
    """Evaluates, writes the report and results.json, prints the table; the last printed line is JSON.

    What was measured before with the same build, corpus, config, code and machine is printed, not measured again.

    Args:
        config: what to measure.
        metrics: metrics.csv files of training runs, for the report's curves.
        device: where the build computes.
        nf4: which linears are packed where NF4 is measured; None takes those of an NF4 build, or the defaults.
    """
    return measured_once(
        Path(config.output),
        fingerprint(config, device, nf4),
        lambda: evaluate(config, partial(load_subject, device=device, nf4=nf4)),
        metrics,
        Results.table,
    )


def measured_once(
    output: Path,
    expected: str,
    measure: Callable[[], Results],
    metrics: Sequence[Path],
    text: Callable[[Results], str],
) -> Results:
    """Measures unless it is done, writes the report and results.json, prints the text; the last printed line is JSON.

    Args:
        output: folder of the results.
        expected: fingerprint of what is asked for.
        measure: gives the results and writes what belongs to them.
        metrics: metrics.csv files of training runs, for the report's curves.
        text: of the results, for the terminal.
    """
    from omni_audio.evaluation.report import REPORT_NAME, write_report

    report, path = output / REPORT_NAME, output / RESULTS_NAME
    results = stored_results(path, expected) if report.is_file() else None
    if results is not None:
        print(f"eval: already done in {output}, delete {output} to measure again")
    else:
        results = measure()
        write_report(results, output, metrics)
        results.record["fingerprint"] = expected
        results.write(path)  # last: with it the evaluation is whole
    print(text(results))
    print(f"\nreport: {report}")
    print(results.last_line(), flush=True)
    return results


Found = tuple[understanding.Transcripts, understanding.Answers | None]


def _understanding(config: EvalConfig, results: Results, subject: Subject, items: list[EvalItem]) -> Found:
    transcripts = understanding.transcribe_items(subject, items)
    understanding.add_transcripts(results, items, transcripts, config.seed)
    asked = items[: config.num_tool_items]
    if not asked:
        for name in (
            "tool_exact_percent", "tool_name_percent", "tool_parsed_percent", "shuffled_tool_exact_percent",
            "no_call_percent", "answer_exact_percent", "instruction_percent", "tool_exact_text_percent",
            "voice_gap_points",
        ):  # fmt: skip
            results.leave_out(name, "num_tool_items is 0")
        return transcripts, None
    spoken = understanding.answer_items(subject, asked, spoken=True, label="answer spoken")
    understanding.add_answers(results, asked, spoken, config.seed)
    typed = understanding.answer_items(subject, asked, spoken=False, label="answer text")
    understanding.add_voice_gap(results, asked, spoken, typed, config.seed)
    return transcripts, spoken


def _speech(
    config: EvalConfig,
    results: Results,
    subject: Subject,
    items: list[EvalItem],
    judge: Judge | None,
    corpus: Path,
) -> dict[str, speech.Spoken]:
    heard = items[: config.num_speech_items]
    made = speech.make_speech(subject, heard, config.num_takes) if heard else {}
    if judge is None or not heard:
        reason = "judge is none" if judge is None else "num_speech_items is 0"
        for name in speech.JUDGED.values():
            results.leave_out(name, reason)
        return made
    speech.add_judged(results, judge, made, answers_seen(corpus, heard), config.seed)
    if "say_once" not in made:
        results.leave_out(speech.JUDGED["say_once"], "only where eval.num_takes is above 1")
    return made


def _speed(config: EvalConfig, results: Results, subject: Subject, items: list[EvalItem]) -> None:
    timed = items[: config.num_latency_items]
    if timed:
        speech.add_latency(results, subject, timed, config.seed)
        speech.add_codec(results, subject, timed, config.seed)
        return
    for name in (
        "first_audio_ms", "first_audio_p95_ms", "reply_rtf",
        "kbps", "compression_ratio", "encode_rtf", "decode_rtf",
    ):  # fmt: skip
        results.leave_out(name, "num_latency_items is 0")


def _controls(config: EvalConfig, results: Results, subject: Subject, items: list[EvalItem]) -> None:
    few = items[: config.num_control_items]
    if not few:
        for name in ("untrained_wer_percent", "untrained_tool_exact_percent"):
            results.leave_out(name, "num_control_items is 0")
        return
    control = subject.untrained(config.seed)
    transcripts = understanding.transcribe_items(control, few, "untrained: transcribe")
    answers = understanding.answer_items(control, few, spoken=True, label="untrained: answer")
    understanding.add_control(results, few, transcripts, answers, config.seed)


def _weights(
    config: EvalConfig,
    results: Results,
    load: Callable[[Path, str], Subject],
    subject: Subject,
    items: list[EvalItem],
    found: Found,
) -> None:
    full: WeightBytes | None = None
    nf4: WeightBytes | None = None
    if config.weight_quant is EvalWeightQuant.nf4:
        nf4 = subject.weights()
    elif config.weight_quant is not EvalWeightQuant.int4:
        full = subject.weights()
    names = (
        "nf4_wer_percent", "nf4_wer_change_points", "nf4_tool_exact_percent", "nf4_tool_exact_change_points",
        "nf4_stopped_percent", "nf4_stopped_change_points",
    )  # fmt: skip
    if config.weight_quant is not EvalWeightQuant.both:
        for name in names:
            results.leave_out(name, "needs weight_quant: both")
    else:
        packed = load(Path(config.build), "nf4")
        nf4 = packed.weights()
        asked = items[: config.num_nf4_items]
        if found[1] is None or not asked:
            for name in names:
                results.leave_out(name, "num_nf4_items is 0")
        else:
            transcripts = understanding.transcribe_items(packed, asked, "nf4: transcribe")
            understanding.add_nf4_transcripts(results, found[0].first(len(asked)), transcripts, config.seed)
            answers = understanding.answer_items(packed, asked, spoken=True, label="nf4: answer")
            understanding.add_nf4_answers(results, asked, found[1].first(len(asked)), answers, config.seed)
    speech.add_memory(results, full, nf4)
