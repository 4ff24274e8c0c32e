"""What is measured on talks of the assistant domain: understanding, controls, and the weights in NF4."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omni_audio.checks import require
from omni_audio.evaluation import speech, understanding
from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.evaluation.items import EvalItem
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.subject import Subject
from omni_audio.evaluation.talk_figures import (
    FIGURES,
    Replies,
    add_nf4_talks,
    add_silent_talks,
    add_talks,
    add_untrained_talks,
    ask_spoken,
)
from omni_audio.evaluation.talk_items import HeardTalk, further_rare

if TYPE_CHECKING:
    from omni_audio.evaluation.harness import EvalConfig

ENDS = ("stopped_percent", "nf4_stopped_percent", "nf4_stopped_change_points")
NF4_FIGURES = (
    "nf4_wer_percent",
    "nf4_wer_change_points",
    "nf4_tool_exact_percent",
    "nf4_tool_exact_change_points",
)


def measure_talks(
    config: "EvalConfig",
    results: Results,
    load: Callable[[Path, str], Subject],
    subject: Subject,
    items: Sequence[EvalItem],
    talks: Sequence[HeardTalk],
) -> None:
    """Transcripts of the items, replies to the talks, both by an untrained build, and both in NF4.

    Args:
        config: how many of each, the weights, the seed.
        results: gets the figures.
        load: (build folder, "none" or "nf4") -> the system under test.
        subject: the build.
        items: single turns.
        talks: whole ones; the first `num_tool_items` of them are asked, and of the others those with rare turns.

    Raises:
        ValueError: the system under test is no build of this project, which alone can be asked in the middle of a talk.
    """
    transcripts = understanding.transcribe_items(subject, items)
    understanding.add_transcripts(results, items, transcripts, config.seed)
    build, asked = _build(subject), talks[: config.num_tool_items]
    replies: Replies = []
    if asked:
        rare = further_rare(asked, talks[config.num_tool_items :], config.num_rare_turns)
        replies = add_talks(results, build, asked, config.seed, rare)
    else:
        for name in (*FIGURES, "voice_gap_points", "shuffled_tool_exact_percent"):
            results.leave_out(name, "num_tool_items is 0")
    few = config.num_control_items
    if few:
        control = build.untrained(config.seed)
        heard = understanding.transcribe_items(control, items[:few], "untrained: transcribe")
        add_untrained_talks(results, control, items[:few], heard, talks[:few], config.seed)
        add_silent_talks(results, build, items[:few], talks[:few], config.seed)
    else:
        for name in ("untrained_tool_exact_percent", "silent_tool_exact_percent"):
            results.leave_out(name, "num_control_items is 0")
    _weights(config, results, load, build, items, transcripts, asked, replies)


def _weights(
    config: "EvalConfig",
    results: Results,
    load: Callable[[Path, str], Subject],
    build: AssistantSubject,
    items: Sequence[EvalItem],
    transcripts: understanding.Transcripts,
    asked: Sequence[HeardTalk],
    replies: Replies,
) -> None:
    quant = config.weight_quant.value
    for name in ENDS:
        results.leave_out(name, "counted on a corpus of commands alone")
    if quant != "both":
        weights = build.weights()
        memory = {"none": (weights, None), "nf4": (None, weights), "int4": (None, None)}[quant]
        speech.add_memory(results, *memory)
        for name in NF4_FIGURES:
            results.leave_out(name, "needs weight_quant: both")
        return
    packed = _build(load(Path(config.build), "nf4"))
    speech.add_memory(results, build.weights(), packed.weights())
    few = config.num_nf4_items
    if not few:
        for name in NF4_FIGURES:
            results.leave_out(name, "num_nf4_items is 0")
        return
    heard = understanding.transcribe_items(packed, items[:few], "nf4: transcribe")
    understanding.add_nf4_transcripts(results, transcripts.first(len(items[:few])), heard, config.seed)
    spoken = ask_spoken(packed, asked[:few], "nf4: talks")
    add_nf4_talks(results, asked[:few], replies[:few], spoken, config.seed)


def _build(subject: Subject) -> AssistantSubject:
    remedy = "Evaluate it on a corpus of commands."
    is_build = isinstance(subject, AssistantSubject)
    require(
        is_build,
        "subject",
        type(subject).__name__,
        "a build of this project where the corpus has talks",
        remedy,
    )
    assert isinstance(subject, AssistantSubject)
    return subject
