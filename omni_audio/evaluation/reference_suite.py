"""The suite `reference`: a build of the assistant domain beside what the reference system states about itself."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from omni_audio.checks import require, require_package
from omni_audio.evaluation import speech
from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.evaluation.conditions import add_conditions
from omni_audio.evaluation.harness import (
    EvalConfig,
    EvalWeightQuant,
    empty_results,
    load_subject,
    measured_once,
    talks_to_ask,
)
from omni_audio.evaluation.items import EvalItem, answers_seen
from omni_audio.evaluation.judges import Judges, load_judges
from omni_audio.evaluation.reference_sounds import write_reference_sounds
from omni_audio.evaluation.reference_table import add_table, markdown
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.reuse import fingerprint
from omni_audio.evaluation.speeds import add_speeds
from omni_audio.evaluation.stream_figures import add_cache_memory, add_streams
from omni_audio.evaluation.subject import Subject
from omni_audio.evaluation.talk_items import holds_talks, talks_seen_in_training, turn_items
from omni_audio.evaluation.talk_measures import measure_talks
from omni_audio.evaluation.voice_figures import add_predicted_mos, add_same_voice
from omni_audio.files import written_whole
from omni_audio.weight_quant.config import NF4Config

if TYPE_CHECKING:
    import torch

FOLDER = "reference"
"""In the folder of the evaluation."""
TABLE_NAME = "reference.md"
KINDS = ("say", "reply", "source")


def run_reference(
    config: EvalConfig,
    metrics: Sequence[Path] = (),
    device: "torch.device | str" = "cpu",
    nf4: NF4Config | None = None,
) -> Results:
    """Measures, writes reference.md, report.html and results.json, prints the table; the last printed line is JSON.

    What was measured before with the same build, corpus, config, code and machine is printed, not measured again.

    Args:
        config: what to measure; the folder `reference` in its `output` is written.
        metrics: metrics.csv files of training runs, for the report's curves.
        device: where the build computes.
        nf4: which linears are packed where NF4 is measured; None takes those of an NF4 build, or the defaults.

    Raises:
        ValueError: the corpus is not of the assistant domain, or a folder lacks what the config asks for.
    """
    require_domain(Path(config.corpus))
    output = Path(config.output) / FOLDER

    def measure() -> Results:
        results = evaluate_reference(config, partial(load_subject, device=device, nf4=nf4), device=device)
        with written_whole(output / TABLE_NAME) as temporary:
            temporary.write_text(markdown(results), encoding="utf-8")
        return results

    return measured_once(output, fingerprint(config, device, nf4), measure, metrics, markdown)


def require_domain(corpus: Path) -> None:
    """Raises ValueError unless this folder holds a corpus of the assistant domain."""
    require(
        holds_talks(corpus),
        "eval.corpus",
        str(corpus),
        "a corpus of the assistant domain (corpus.json with domain assistant)",
        "Name one with eval.corpus=DIR, or make one: omni-audio train experiment=assistant stages=[corpus].",
    )


def evaluate_reference(
    config: EvalConfig,
    load: Callable[[Path, str], Subject] = load_subject,
    judges: Judges | None = None,
    device: "torch.device | str" = "cpu",
) -> Results:
    """All that the table needs, and sounds of it in the folder `reference` of `output`.

    Args:
        config: what to measure.
        load: (build folder, "none", "nf4" or "int4") -> the system under test.
        judges: replace those that are installed.
        device: where the real server computes.

    Returns:
        The figures and the table; what was not measured is in `absent` with the reason.

    Raises:
        ValueError: the corpus is not of the assistant domain, or a folder lacks what the config asks for.
    """
    started_s = time.monotonic()
    corpus = Path(config.corpus)
    require_domain(corpus)
    judges = load_judges(config) if judges is None else judges
    results = empty_results(config, judges.names)
    results.record["suite"] = "reference"
    talks = talks_to_ask(config)
    drawn = talks[: config.num_items]
    results.record["seen_in_training"] = talks_seen_in_training(corpus, talks)
    items, answered = turn_items(drawn), turn_items(drawn, spoken_answer=True)
    subject = load(Path(config.build), config.first_weights)
    assert isinstance(subject, AssistantSubject)
    measure_talks(config, results, load, subject, items[: config.num_items], talks)
    add_conditions(results, subject, items[: min(config.num_items, config.num_condition_items)], config.seed)
    if config.human_folder is None:
        results.leave_out("human_wer_percent", "human_folder is not set")
    else:
        speech.add_human(results, subject, Path(config.human_folder), config.seed)
    made = _speech(config, results, subject, answered, judges, corpus)
    spoken = made["say"]
    few = slice(min(config.num_speech_items, config.num_speed_items))
    by_speed = add_speeds(
        results, spoken.texts[few], spoken.pcms[few], judges.words, judges.speaker, config.seed
    )
    _codec(config, results, subject, items)
    _memory_ratio(results)
    add_cache_memory(results, subject)
    add_streams(results, subject, config.num_stream_steps, config.seed)
    _server(config, results, items, device)
    write_reference_sounds(results, items, made, by_speed, Path(config.output) / FOLDER)
    add_table(results)
    results.record["seconds"] = round(time.monotonic() - started_s, 1)
    return results


def _speech(
    config: EvalConfig,
    results: Results,
    subject: Subject,
    items: list[EvalItem],
    judges: Judges,
    corpus: Path,
) -> dict[str, speech.Spoken]:
    """Speech of the build and of the source voice, and what the judges say of it."""
    heard = items[: config.num_speech_items]
    made = speech.make_speech(subject, heard, config.num_takes, KINDS)
    if isinstance(judges.words, str) or not heard:
        reason = judges.words if isinstance(judges.words, str) else "num_speech_items is 0"
        for kind in KINDS:
            results.leave_out(speech.JUDGED[kind], reason)
    else:
        speech.add_judged(results, judges.words, made, answers_seen(corpus, heard), config.seed)
    ours, replies, source = (made[kind].pcms for kind in KINDS)
    for figure, judge in judges.mos.items():
        add_predicted_mos(results, figure, judge, ours, source, config.seed)
    add_same_voice(results, judges.speaker, replies, source, config.seed)
    return made


def _codec(config: EvalConfig, results: Results, subject: Subject, items: list[EvalItem]) -> None:
    few = items[: config.num_latency_items]
    if few:
        speech.add_codec(results, subject, few, config.seed)
    else:
        results.leave_out("compression_ratio", "num_latency_items is 0")


def _memory_ratio(results: Results) -> None:
    name = "nf4_memory_ratio"
    if "nf4_weight_bytes" in results and "fp16_weight_bytes" in results:
        from omni_audio.evaluation.definitions import make_count

        ratio = results["nf4_weight_bytes"].value / results["fp16_weight_bytes"].value
        results.add(make_count(name, ratio))
    else:
        results.leave_out(name, "needs weight_quant: both")


def _server(
    config: EvalConfig, results: Results, items: list[EvalItem], device: "torch.device | str"
) -> None:
    """The real server: latency with the weights that are measured most, memory with each number format."""
    from omni_audio.evaluation import live_figures as live

    requests = live.near_length(items, config.num_latency_items)
    reason = "" if requests else "num_latency_items is 0"
    try:
        require_package("httpx", "latency", "Install it with: pip install 'omni-audio[eval]'.")
    except ValueError as error:
        reason = str(error)
    if reason:
        for name in (*live.LATENCIES, "server_mib", "nf4_server_mib"):
            results.leave_out(name, reason)
        return
    build, sounds = Path(config.build), [item.pcm() for item in requests]
    served = live.ask_server(build, config.first_weights, sounds, device, config.seed)
    live.add_latencies(results, served.heard, [item.cut.duration for item in requests], config.seed)
    formats = {"none": "server_mib", "nf4": "nf4_server_mib"}
    if config.first_weights in formats:
        live.add_server_memory(results, formats.pop(config.first_weights), served)
    if config.weight_quant is EvalWeightQuant.both:
        packed = live.ask_server(build, "nf4", sounds[:1], device, config.seed)
        live.add_server_memory(results, formats.pop("nf4"), packed)
    for name in formats.values():
        results.leave_out(name, "needs weight_quant: both")
