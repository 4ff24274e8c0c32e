"""Scores of what the model understands: transcripts, tool calls, instructions."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from omni_audio.evaluation.bootstrap import mean_interval, ratio_interval, share_interval
from omni_audio.evaluation.definitions import make_figure
from omni_audio.evaluation.items import EvalItem
from omni_audio.evaluation.results import Results, Sample
from omni_audio.evaluation.subject import Subject, TextAnswer
from omni_audio.evaluation.tools import Call, CallScore, score_calls, score_shuffled
from omni_audio.evaluation.wer import (
    ErrorCounts,
    corpus_rate_percent,
    count_characters,
    count_words,
    normalize,
)


@dataclass(slots=True)
class Transcripts:
    """Transcripts of items with their word errors."""

    texts: list[str]
    words: list[ErrorCounts]

    def first(self, number: int) -> "Transcripts":
        """Those of the first items."""
        return Transcripts(self.texts[:number], self.words[:number])


@dataclass(slots=True)
class Answers:
    """Text answers of items with the scores of their calls, and whether each item was done right."""

    answers: list[TextAnswer]
    scores: list[CallScore]
    done: list[bool]

    def first(self, number: int) -> "Answers":
        """Those of the first items."""
        return Answers(self.answers[:number], self.scores[:number], self.done[:number])


def transcribe_items(subject: Subject, items: Sequence[EvalItem], label: str = "transcribe") -> Transcripts:
    """Transcribes each request and counts word errors."""
    texts = subject.transcribe(item.pcm() for item in tqdm(items, desc=label, unit="clip"))
    return Transcripts(
        texts, [count_words(item.request, text) for item, text in zip(items, texts, strict=True)]
    )


def answer_items(subject: Subject, items: Sequence[EvalItem], *, spoken: bool, label: str) -> Answers:
    """Asks for a text answer to each request, tools offered, and scores it."""
    asked = tqdm(items, desc=label, unit="request")
    answers = subject.answer_text(item.pcm() if spoken else item.request for item in asked)
    found = Answers(answers, [], [])
    for item, answer in zip(items, answers, strict=True):
        score = score_calls(answer.raw_calls, item.key)
        words_right = item.key is not None or normalize(answer.text) == normalize(item.answer)
        found.scores.append(score)
        found.done.append(score.exact and words_right)
    return found


def add_transcripts(results: Results, items: Sequence[EvalItem], found: Transcripts, seed: int) -> None:
    """WER, CER, the table by voice, and a sample per item."""
    results.add(make_figure("wer_percent", corpus_rate_percent(found.words, seed), len(items)))
    characters = [count_characters(item.request, text) for item, text in zip(items, found.texts, strict=True)]
    results.add(make_figure("cer_percent", corpus_rate_percent(characters, seed), len(items)))
    results.tables["wer_by_voice"] = wer_by((item.voice for item in items), found.words, "voice", seed)
    results.tables["wer_by_domain"] = wer_by((item.domain for item in items), found.words, "domain", seed)
    for item, text, counts in zip(items, found.texts, found.words, strict=True):
        results.samples.append(
            Sample(
                kind="transcribe",
                item_id=item.cut.id,
                voice=item.voice,
                wanted=item.request,
                got=text,
                score=counts.rate,
            )
        )


def wer_by(groups: Iterable[str], counts: Sequence[ErrorCounts], column: str, seed: int) -> list[dict]:
    """A row per group, worst first: WER, interval, n. Groups without reference words are left out."""
    by_group: dict[str, list[ErrorCounts]] = defaultdict(list)
    for group, count in zip(groups, counts, strict=True):
        by_group[group].append(count)
    rows: list[dict] = []
    for group, of_group in by_group.items():
        if sum(count.num_units for count in of_group) == 0:
            continue
        interval = corpus_rate_percent(of_group, seed)
        row = {"wer_percent": interval.value, "low": interval.low, "high": interval.high, "n": len(of_group)}
        rows.append({column: group, **row})
    return sorted(rows, key=lambda row: (-row["wer_percent"], row[column]))


def add_answers(results: Results, items: Sequence[EvalItem], found: Answers, seed: int) -> None:
    """Tool and instruction figures of spoken requests, the shuffled control, the table by domain, samples."""
    due = [index for index, item in enumerate(items) if item.key is not None]
    free = [index for index, item in enumerate(items) if item.key is None]
    scores = found.scores
    if due:
        parts = {
            "tool_exact_percent": [scores[i].exact for i in due],
            "tool_name_percent": [scores[i].name for i in due],
            "tool_parsed_percent": [scores[i].parsed for i in due],
        }
        for name, values in parts.items():
            results.add(make_figure(name, share_interval(values, 100.0, seed), len(due)))
    else:
        for name in ("tool_exact_percent", "tool_name_percent", "tool_parsed_percent"):
            results.leave_out(name, "no drawn item has a call due")
    largest = max(Counter(items[i].item_id for i in due).values(), default=1)
    if 2 * largest <= len(due):
        shuffled, coinciding = score_shuffled(
            [found.answers[i].raw_calls for i in due],
            [items[i].key for i in due],
            [items[i].item_id for i in due],
            seed,
        )
        interval = share_interval([score.exact for score in shuffled], 100.0, seed)
        note = f"{coinciding} of {len(due)} shuffled keys happen to equal the item's own and are counted."
        results.add(make_figure("shuffled_tool_exact_percent", interval, len(due), note))
    else:
        results.leave_out("shuffled_tool_exact_percent", "too few different items have a call due")
    if free:
        no_call = [scores[i].exact for i in free]
        results.add(make_figure("no_call_percent", share_interval(no_call, 100.0, seed), len(free)))
        right = [found.done[i] for i in free]
        results.add(make_figure("answer_exact_percent", share_interval(right, 100.0, seed), len(free)))
    else:
        for name in ("no_call_percent", "answer_exact_percent"):
            results.leave_out(name, "every drawn item has a call due")
    results.add(make_figure("instruction_percent", share_interval(found.done, 100.0, seed), len(items)))
    stopped = [answer.stopped for answer in found.answers]
    results.add(make_figure("stopped_percent", share_interval(stopped, 100.0, seed), len(items)))
    results.tables["instruction_by_domain"] = _by_domain(items, found, seed)
    for item, answer, score, done in zip(items, found.answers, scores, found.done, strict=True):
        results.samples.append(
            Sample(
                kind="tool" if item.key is not None else "answer",
                item_id=item.cut.id,
                voice=item.voice,
                wanted=_call_text(item.key) if item.key is not None else item.answer,
                got=" ".join([*answer.raw_calls, answer.text]).strip()
                + ("" if score.parsed else " [does not parse]"),
                score=0.0 if done else 1.0,
            )
        )


def add_voice_gap(
    results: Results, items: Sequence[EvalItem], spoken: Answers, typed: Answers, seed: int
) -> None:
    """The same requests as text, and the paired difference."""
    _add_paired_exact(results, items, ("tool_exact_text_percent", "voice_gap_points"), typed, spoken, seed)


def add_control(
    results: Results, items: Sequence[EvalItem], transcripts: Transcripts, answers: Answers, seed: int
) -> None:
    """Figures of the same architecture with random weights."""
    interval = corpus_rate_percent(transcripts.words, seed)
    results.add(make_figure("untrained_wer_percent", interval, len(items)))
    due = [score.exact for item, score in zip(items, answers.scores, strict=True) if item.key is not None]
    if due:
        results.add(make_figure("untrained_tool_exact_percent", share_interval(due, 100.0, seed), len(due)))
    else:
        results.leave_out("untrained_tool_exact_percent", "no drawn item has a call due")


def add_nf4_transcripts(results: Results, full: Transcripts, nf4: Transcripts, seed: int) -> None:
    """WER with weights in NF4, and the paired change against full precision."""
    results.add(make_figure("nf4_wer_percent", corpus_rate_percent(nf4.words, seed), len(nf4.words)))
    change = ratio_interval(
        [new.errors - old.errors for new, old in zip(nf4.words, full.words, strict=True)],
        [new.num_units for new in nf4.words],
        100.0,
        seed,
    )
    results.add(make_figure("nf4_wer_change_points", change, len(nf4.words)))


def add_nf4_answers(
    results: Results, items: Sequence[EvalItem], full: Answers, nf4: Answers, seed: int
) -> None:
    """Tool calls and ends of answers with weights in NF4, and the paired changes against full precision."""
    names = ("nf4_tool_exact_percent", "nf4_tool_exact_change_points")
    _add_paired_exact(results, items, names, nf4, full, seed)
    stopped = [answer.stopped for answer in nf4.answers]
    changes = [float(new) - float(old.stopped) for new, old in zip(stopped, full.answers, strict=True)]
    results.add(make_figure("nf4_stopped_percent", share_interval(stopped, 100.0, seed), len(items)))
    results.add(make_figure("nf4_stopped_change_points", mean_interval(changes, 100.0, seed), len(items)))


def _add_paired_exact(
    results: Results,
    items: Sequence[EvalItem],
    names: tuple[str, str],
    answers: Answers,
    against: Answers,
    seed: int,
) -> None:
    """Exact calls of `answers`, and their paired change against other answers to the same items."""
    due = [index for index, item in enumerate(items) if item.key is not None]
    if not due:
        for name in names:
            results.leave_out(name, "no drawn item has a call due")
        return
    exact = [float(answers.scores[i].exact) for i in due]
    changes = [new - float(against.scores[i].exact) for new, i in zip(exact, due, strict=True)]
    results.add(make_figure(names[0], share_interval(exact, 100.0, seed), len(due)))
    results.add(make_figure(names[1], mean_interval(changes, 100.0, seed), len(due)))


def _by_domain(items: Sequence[EvalItem], found: Answers, seed: int) -> list[dict]:
    by_domain: dict[str, list[float]] = defaultdict(list)
    for item, done in zip(items, found.done, strict=True):
        by_domain[item.domain].append(float(done))
    rows: list[dict] = []
    for domain, done in sorted(by_domain.items()):
        interval = share_interval(done, 100.0, seed)
        row = {
            "instruction_percent": interval.value,
            "low": interval.low,
            "high": interval.high,
            "n": len(done),
        }
        rows.append({"domain": domain, **row})
    return rows


def _call_text(call: Call) -> str:
    return json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
