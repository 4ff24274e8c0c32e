"""Figures of talks of the assistant domain: calls, abstention, instructions; spoken and typed."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from omni_audio.data.corpora.assistant.item import AssistantItem
from omni_audio.evaluation.assistant_scores import GivenTurn, score_assistant, score_item
from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.evaluation.bootstrap import Interval, mean_interval, share_interval
from omni_audio.evaluation.definitions import make_figure
from omni_audio.evaluation.items import EvalItem
from omni_audio.evaluation.results import Results, Sample
from omni_audio.evaluation.talk_items import HeardTalk, judged_by_text
from omni_audio.evaluation.talk_replies import ask_talks
from omni_audio.evaluation.tools import parse_call
from omni_audio.evaluation.understanding import Transcripts
from omni_audio.evaluation.wer import corpus_rate_percent, count_words

FIGURES = {
    "tool_exact_percent": "call_exact_percent",
    "tool_name_percent": "call_name_percent",
    "tool_parsed_percent": "call_parsed_percent",
    "no_call_percent": "no_call_percent",
    "tool_schema_valid_percent": "schema_valid_percent",
    "compliance_percent": "compliance_percent",
    "abstention_percent": "refusal_percent",
    "ask_back_percent": "ask_back_percent",
    "talk_percent": "talk_percent",
}
"""Figure of an evaluation -> figure of score_assistant()."""
RARE = ("compliance_percent", "abstention_percent", "ask_back_percent")
"""Figures of turns that few talks have: further talks count in them."""
TYPED = {name: name.replace("_percent", "_text_percent") for name in FIGURES}
"""Figure -> the same one of the talks typed."""
NO_CALL, BROKEN_CALL = "no call", "does not parse"
GROUPS = ("kind", "area", "tool", "instruction")
Replies = list[list[GivenTurn]]


def ask_spoken(subject: AssistantSubject, talks: Sequence[HeardTalk], label: str = "talks spoken") -> Replies:
    """Replies to the talks as they are heard."""
    items, sounds = [talk.item for talk in talks], [talk.pcm for talk in talks]
    return ask_talks(subject.assistant, items, sounds, subject.num_slots, subject.max_text_tokens, label)


def add_talks(
    results: Results,
    subject: AssistantSubject,
    talks: Sequence[HeardTalk],
    seed: int,
    rare: Sequence[HeardTalk] = (),
) -> Replies:
    """Figures of spoken talks, tables, the gap to typed ones, the shuffled control, a sample a turn.

    Args:
        results: gets them.
        subject: the build.
        talks: are asked, spoken and typed.
        seed: of the bootstrap.
        rare: further talks that count in the figures of `RARE` and in the table by instruction alone.

    Returns:
        The replies to the spoken talks.
    """
    asked = [*talks, *rare]
    everything, due = ask_spoken(subject, asked), [talk.item for talk in asked]
    everything_typed = ask_talks(
        subject.assistant, due, None, subject.num_slots, subject.max_text_tokens, "talks typed"
    )
    all_items = [judged_by_text(item) for item in due]
    num = len(talks)
    items, spoken, typed = all_items[:num], everything[:num], everything_typed[:num]
    scores = score_assistant(items, spoken, seed)
    by_text = score_assistant(items, typed, seed)["all"]
    if rare:
        more = score_assistant(all_items, everything, seed)
        scores["by_instruction"] = more.get("by_instruction", {})
        _take_rare(scores["all"], more["all"])
        _take_rare(by_text, score_assistant(all_items, everything_typed, seed)["all"])
    for name, of_scores in FIGURES.items():
        found = scores["all"].get(of_scores)
        if found is None:
            results.leave_out(name, "no talk here has such a turn")
        else:
            results.add(make_figure(name, _interval(found), found["n"]))
    for group in GROUPS:
        rows = [{group: key, **_row(figures)} for key, figures in scores.get(f"by_{group}", {}).items()]
        results.tables[f"talks_by_{group}"] = rows
    for name, of_scores in FIGURES.items():
        if of_scores in by_text:
            figure = by_text[of_scores]
            results.add(make_figure(TYPED[name], _interval(figure), figure["n"]))
    results.tables["tool_exact_by_tool"] = exact_by_tool(items, spoken, seed)
    results.tables["tool_confusion"] = confusion(items, spoken)
    heard, read = (_exact(items, replies) for replies in (spoken, typed))
    if heard:
        gaps = [float(text) - float(voice) for text, voice in zip(read, heard, strict=True)]
        results.add(make_figure("voice_gap_points", mean_interval(gaps, 100.0, seed), len(gaps)))
    _add_shuffled(results, items, spoken, seed)
    _add_samples(results, talks, spoken)
    return spoken


def _take_rare(scores: dict[str, Any], more: dict[str, Any]) -> None:
    for name in RARE:
        if FIGURES[name] in more:
            scores[FIGURES[name]] = more[FIGURES[name]]


def exact_by_tool(items: Sequence[AssistantItem], replies: Replies, seed: int) -> list[dict[str, Any]]:
    """A row a tool, worst first: the share of the turns in which it is due whose calls are right."""
    flags: dict[str, list[bool]] = defaultdict(list)
    for item, given in zip(items, replies, strict=True):
        for turn, score in zip(item.turns, score_item(item, given), strict=True):
            for name in dict.fromkeys(call.name for call in turn.calls):
                flags[name].append(score.calls.exact)
    rows = []
    for name, of_tool in flags.items():
        found = share_interval(of_tool, 100.0, seed)
        ends = {"low": found.low, "high": found.high, "n": len(of_tool)}
        rows.append({"tool": name, "tool_exact_percent": found.value, **ends})
    return sorted(rows, key=lambda row: (row["tool_exact_percent"], row["tool"]))


def confusion(items: Sequence[AssistantItem], replies: Replies) -> list[dict[str, Any]]:
    """How often a tool was called where one was due, calls of a turn in their order; a row a pair that occurs."""
    counts: Counter[tuple[str, str]] = Counter()
    for item, given in zip(items, replies, strict=True):
        for turn, reply in zip(item.turns, given, strict=True):
            due, made = [call.name for call in turn.calls], [_name_of(raw) for raw in reply.raw_calls]
            counts.update(zip_longest(due, made, fillvalue=NO_CALL) if due or made else [(NO_CALL, NO_CALL)])
    return [{"due": due, "made": made, "n": count} for (due, made), count in sorted(counts.items())]


def _name_of(raw_call: str) -> str:
    try:
        return parse_call(raw_call).name
    except ValueError:
        return BROKEN_CALL


def add_silent_talks(
    results: Results,
    subject: AssistantSubject,
    items: Sequence[EvalItem],
    talks: Sequence[HeardTalk],
    seed: int,
) -> None:
    """Control: the same talks and requests with silence of the same length for every turn of the user."""
    heard = subject.transcribe(
        torch.zeros_like(item.pcm()) for item in tqdm(items, desc="silence: transcribe", unit="clip")
    )
    words = [count_words(item.request, text) for item, text in zip(items, heard, strict=True)]
    results.add(make_figure("silent_wer_percent", corpus_rate_percent(words, seed), len(items)))
    due, silence = [talk.item for talk in talks], [partial(_silence, talk) for talk in talks]
    replies = ask_talks(
        subject.assistant, due, silence, subject.num_slots, subject.max_text_tokens, "silence: talks"
    )
    exact = _exact(due, replies)
    if exact:
        results.add(make_figure("silent_tool_exact_percent", share_interval(exact, 100.0, seed), len(exact)))
    else:
        results.leave_out("silent_tool_exact_percent", "no drawn talk has a call due")


def _silence(talk: HeardTalk, turn: int) -> Tensor:
    return torch.zeros_like(talk.pcm(turn))


def add_untrained_talks(
    results: Results,
    control: AssistantSubject,
    items: Sequence[EvalItem],
    heard: Transcripts,
    talks: Sequence[HeardTalk],
    seed: int,
) -> None:
    """Figures of the same architecture with random weights."""
    results.add(make_figure("untrained_wer_percent", corpus_rate_percent(heard.words, seed), len(items)))
    exact = _exact([talk.item for talk in talks], ask_spoken(control, talks, "untrained: talks"))
    if exact:
        results.add(
            make_figure("untrained_tool_exact_percent", share_interval(exact, 100.0, seed), len(exact))
        )
    else:
        results.leave_out("untrained_tool_exact_percent", "no drawn talk has a call due")


def add_nf4_talks(
    results: Results, talks: Sequence[HeardTalk], full: Replies, packed: Replies, seed: int
) -> None:
    """Calls with weights in NF4, and the paired change against full precision."""
    items = [talk.item for talk in talks]
    before, after = _exact(items, full), _exact(items, packed)
    if not after:
        results.leave_out("nf4_tool_exact_percent", "no drawn talk has a call due")
        return
    changes = [float(new) - float(old) for new, old in zip(after, before, strict=True)]
    results.add(make_figure("nf4_tool_exact_percent", share_interval(after, 100.0, seed), len(after)))
    results.add(make_figure("nf4_tool_exact_change_points", mean_interval(changes, 100.0, seed), len(after)))


def _exact(items: Sequence[Any], replies: Replies) -> list[bool]:
    """Whether the calls of each turn with due calls are right."""
    return [
        score.calls.exact
        for item, given in zip(items, replies, strict=True)
        for turn, score in zip(item.turns, score_item(item, given), strict=True)
        if turn.calls
    ]


def _add_shuffled(results: Results, items: Sequence[Any], spoken: Replies, seed: int) -> None:
    """Control: the replies to one talk scored as if they were to the next one with as many turns."""
    by_turns: dict[int, list[int]] = {}
    for index, item in enumerate(items):
        by_turns.setdefault(len(item.turns), []).append(index)
    flags: list[bool] = []
    for places in by_turns.values():
        if len(places) > 1:
            moved = [spoken[index] for index in [*places[1:], places[0]]]
            flags += _exact([items[index] for index in places], moved)
    if flags:
        results.add(
            make_figure("shuffled_tool_exact_percent", share_interval(flags, 100.0, seed), len(flags))
        )
    else:
        results.leave_out("shuffled_tool_exact_percent", "no two talks have as many turns and a call")


def _add_samples(results: Results, talks: Sequence[HeardTalk], spoken: Replies) -> None:
    for talk, given in zip(talks, spoken, strict=True):
        scores = score_item(talk.item, given)
        for cut, turn, reply, score in zip(talk.cuts, talk.item.turns, given, scores, strict=True):
            wanted = " ".join(f"{call.name}({call.arguments})" for call in turn.calls) or turn.answer.text
            got = " ".join(reply.raw_calls) or reply.answer.text
            results.samples.append(
                Sample(
                    kind="tool",
                    item_id=cut.id,
                    voice=talk.voice,
                    wanted=wanted,
                    got=got,
                    score=0.0 if score.calls.exact else 1.0,
                )
            )


def _interval(found: dict[str, float]) -> Interval:
    return Interval(found["value"], found["low"], found["high"])


def _row(figures: dict[str, dict[str, float]]) -> dict[str, float]:
    """The values of one group, and of how many turns the largest of them is."""
    row = {name: round(figure["value"], 2) for name, figure in figures.items()}
    return row | {"n": max(int(figure["n"]) for figure in figures.values())}
