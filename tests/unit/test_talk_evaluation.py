"""Talks put to a build: what each turn is asked with, what comes of calls, and the figures."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from omni_audio.data.corpora.assistant.generate import generate_assistant_items
from omni_audio.data.corpora.assistant.item import AssistantItem
from omni_audio.data.corpora.synth import CorpusConfig, CorpusDomain, build_corpus
from omni_audio.evaluation import talk_replies
from omni_audio.evaluation.assistant_scores import GivenTurn, due_turn
from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.evaluation.harness import EvalConfig, evaluate
from omni_audio.evaluation.judge import JudgeKind
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.talk_figures import add_talks
from omni_audio.evaluation.talk_items import (
    HeardTalk,
    further_rare,
    holds_talks,
    judged_by_text,
    load_talks,
    rare_turns,
    turn_items,
)
from omni_audio.evaluation.talk_replies import ask_talks
from omni_audio.model.answers import Answer
from omni_audio.model.assistant import Assistant
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import TokenSequence
from omni_audio.model.text import NUM_SPECIAL, Special, TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer

Asked = list[tuple[TokenSequence, GenerationRequest]]


@pytest.fixture(scope="module")
def items() -> list[AssistantItem]:
    return list(generate_assistant_items(60, "test", 0))


@pytest.fixture(scope="module")
def assistant(tiny_tokenizer: AudioTokenizer, tiny_model: OmniModel, tiny_text: TextTokenizer) -> Assistant:
    return Assistant(tiny_tokenizer, tiny_model, tiny_text, {"name": "tiny"})


class Oracle:
    """Stands in for answer_all(): makes the calls that are due, then gives the answer that is due."""

    def __init__(self, assistant: Assistant, items: list[AssistantItem]) -> None:
        self.assistant, self.asked, self.at_once = assistant, [], 2 if assistant.learnt_parallel_calls else 1
        self.waiting = [(turn, 0) for item in items for turn in item.turns]

    def __call__(self, model: OmniModel, asked: Iterable[Any], num_slots: int) -> list[Answer]:
        prompts: Asked = list(asked)
        assert len(prompts) == len(self.waiting)
        self.asked.append(prompts)
        answers, still = [], []
        for turn, done in self.waiting:
            answer = Answer()
            if done < len(turn.calls):
                made = due_turn(turn).raw_calls[done : done + self.at_once]
                answer.calls = [self.assistant.text.encode(call) for call in made]
                still.append((turn, done + len(made)))
            else:
                answer.text_ids = self.assistant.text.encode(turn.answer.text)
            answers.append(answer)
        self.waiting = still
        return answers


def words_before(assistant: Assistant, prompt: TokenSequence) -> str:
    """The text of a prompt, specials and frames left out."""
    text = range(NUM_SPECIAL, assistant.model.vocabulary.semantic_start)
    return assistant.text.decode([token for token in prompt.ids_T.tolist() if token in text])


def test_each_turn_is_asked_with_the_due_turns_before_it(
    assistant: Assistant, items: list[AssistantItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = Oracle(assistant, items)
    monkeypatch.setattr(talk_replies, "answer_all", oracle)
    given = ask_talks(assistant, items, None, 4, 64, "test")
    for item, turns in zip(items, given, strict=True):
        for turn, reply in zip(item.turns, turns, strict=True):
            assert reply.answer.text == turn.answer.text
            assert reply.raw_calls == due_turn(turn).raw_calls
    assert len(oracle.asked) == 1 + max(len(turn.calls) for item in items for turn in item.turns) == 3
    place = 0
    for item in items:
        for number, turn in enumerate(item.turns):
            said = words_before(assistant, oracle.asked[0][place][0])
            place += 1
            assert said.endswith(turn.user)
            for before in item.turns[:number]:
                assert before.answer.text in said
                assert before.user in said
            assert all(later.user not in said for later in item.turns[number + 1 :])
            assert item.system in said


def test_a_build_that_learnt_several_calls_is_asked_for_all_of_a_turn_at_once(
    assistant: Assistant, items: list[AssistantItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = Assistant(assistant.tokenizer, assistant.model, assistant.text, {"parallel_calls": True})
    oracle = Oracle(learnt, items)
    monkeypatch.setattr(talk_replies, "answer_all", oracle)
    given = ask_talks(learnt, items, None, 4, 64, "test")
    due = [[due_turn(turn).raw_calls for turn in item.turns] for item in items]
    assert [[reply.raw_calls for reply in turns] for turns in given] == due
    assert max(len(calls) for turns in due for calls in turns) == 2
    assert len(oracle.asked) == 2
    asked = [request.max_calls for _, request in oracle.asked[0] if request.tools]
    assert set(asked) == {talk_replies.MAX_CALLS}
    numbers = [Special.TOOL_CALL, Special.TOOL]
    orders = {
        tuple(token for token in prompt.ids_T.tolist() if token in numbers) for prompt, _ in oracle.asked[1]
    }
    assert (Special.TOOL_CALL, Special.TOOL_CALL, Special.TOOL, Special.TOOL) in orders


def test_the_heard_talk_holds_sound_instead_of_words(
    assistant: Assistant, items: list[AssistantItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = next(item for item in items if len(item.turns) == 2)
    oracle = Oracle(assistant, [item])
    monkeypatch.setattr(talk_replies, "answer_all", oracle)

    def sound(turn: int) -> Tensor:
        return 0.1 * torch.randn(1280 * (3 + turn), generator=torch.Generator().manual_seed(turn))

    ask_talks(assistant, [item], [sound], 1, 64, "test")
    first, second = (prompt for prompt, _ in oracle.asked[0])
    assert (first.num_frames, second.num_frames) == (3, 3 + 4)
    assert item.turns[0].user not in words_before(assistant, second)


def test_calls_without_an_end_end(
    assistant: Assistant, items: list[AssistantItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []

    def calls_for_ever(model: OmniModel, asked: Iterable[Any], num_slots: int) -> list[Answer]:
        rounds.append(list(asked))
        return [Answer(calls=[assistant.text.encode("{}")]) for _ in rounds[-1]]

    monkeypatch.setattr(talk_replies, "answer_all", calls_for_ever)
    given = ask_talks(assistant, items, None, 4, 64, "test")
    for item, turns in zip(items, given, strict=True):
        for turn, reply in zip(item.turns, turns, strict=True):
            assert reply.answer.text == ""
            assert len(reply.raw_calls) == len(turn.results) + 1
    assert len(rounds) == 3


def test_perfect_replies_have_every_figure_in_full_and_shuffled_ones_none(
    assistant: Assistant, items: list[AssistantItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    due = [[due_turn(turn) for turn in item.turns] for item in items]
    monkeypatch.setattr("omni_audio.evaluation.talk_figures.ask_talks", lambda *args: due)
    talks = [HeardTalk(item=item, cuts=()) for item in items]
    monkeypatch.setattr("omni_audio.evaluation.talk_figures._add_samples", lambda *args: None)
    results = Results(record={})
    add_talks(results, AssistantSubject(assistant, []), talks, 0)
    full = {name: figure.value for name, figure in results.figures.items()}
    assert full.pop("voice_gap_points") == 0.0
    assert full.pop("shuffled_tool_exact_percent") < 5.0
    assert {"tool_exact_percent", "compliance_percent", "abstention_percent", "ask_back_percent"} <= set(full)
    assert set(full.values()) == {100.0}
    wrong = [[GivenTurn(replace(turn.answer, text="fish")) for turn in turns] for turns in due]
    monkeypatch.setattr("omni_audio.evaluation.talk_figures.ask_talks", lambda *args: wrong)
    add_talks(worse := Results(record={}), AssistantSubject(assistant, []), talks, 0)
    for name in ("tool_exact_percent", "abstention_percent", "ask_back_percent"):
        assert worse.figures[name].value == 0.0


def test_further_talks_count_in_rare_figures_alone(
    assistant: Assistant, items: list[AssistantItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    talks = [HeardTalk(item=item, cuts=()) for item in items]
    asked, rest = talks[:1], talks[1:]
    rare = further_rare(asked, rest, 2)
    assert 0 < len(rare) < len(rest)
    assert all(rare_turns(talk.item) for talk in rare)
    due = [[due_turn(turn) for turn in talk.item.turns] for talk in [*asked, *rare]]
    monkeypatch.setattr("omni_audio.evaluation.talk_figures.ask_talks", lambda *args: due)
    monkeypatch.setattr("omni_audio.evaluation.talk_figures._add_samples", lambda *args: None)
    alone, more = Results(record={}), Results(record={})
    add_talks(more, AssistantSubject(assistant, []), asked, 0, rare)
    monkeypatch.setattr("omni_audio.evaluation.talk_figures.ask_talks", lambda *args: due[:1])
    add_talks(alone, AssistantSubject(assistant, []), asked, 0)
    counts = sum((rare_turns(talk.item) for talk in [*asked, *rare]), Counter())
    kinds = {"compliance": "instruction", "abstention": "refusal", "ask_back": "question"}
    for name, kind in kinds.items():
        for suffix in ("_percent", "_text_percent"):
            assert more.figures[name + suffix].n == counts[kind] >= 2
    others = {name for name in more.figures if not name.startswith(tuple(kinds))}
    assert others == {name for name in alone.figures if not name.startswith(tuple(kinds))}
    assert all(more.figures[name] == alone.figures[name] for name in others)


def test_rare_turns_are_taken_until_there_are_enough_or_no_more(items: list[AssistantItem]) -> None:
    talks = [HeardTalk(item=item, cuts=()) for item in items]
    assert further_rare(talks, talks, 0) == []
    whole = [talk for talk in talks if rare_turns(talk.item)]
    assert further_rare([], talks, 10_000) == whole


def test_what_only_sound_can_follow_is_not_judged_by_text() -> None:
    items = list(generate_assistant_items(800, "test", 0))
    kinds = {one.kind for item in items for turn in item.turns for one in turn.instructions}
    left = {one.kind for item in items for turn in judged_by_text(item).turns for one in turn.instructions}
    assert kinds - left == {"text_only", "slower", "faster"}


def test_a_corpus_of_talks_is_evaluated_as_one(tmp_path: Path, tiny_build: Path) -> None:
    for module in ("espeakng_loader", "py_nanotts"):
        pytest.importorskip(module, reason="needs the extra `corpus`")
    config = CorpusConfig(
        domain=CorpusDomain.assistant,
        num_train_items=3,
        num_dev_items=1,
        num_test_items=4,
        num_drills=0,
        num_workers=0,
        output_voice="espeak-en-us-m1",
    )
    corpus = build_corpus(config, tmp_path / "corpus").folder
    assert holds_talks(corpus)
    talks = load_talks(corpus, "test", 4, 0)
    assert [item.request for item in turn_items(talks)] == [turn.user for t in talks for turn in t.item.turns]
    with pytest.raises(ValueError, match="num_talks = 5 is not allowed: expected at most 4"):
        load_talks(corpus, "test", 5, 0)

    def load(build: Path, quant: str) -> AssistantSubject:
        subject = AssistantSubject.load(build, quant)
        subject.max_text_tokens = 12
        return subject

    asked = EvalConfig(
        build=str(tiny_build),
        corpus=str(corpus),
        output=str(tmp_path / "eval"),
        num_items=3,
        num_tool_items=2,
        num_speech_items=0,
        num_latency_items=0,
        num_control_items=0,
        num_nf4_items=0,
        judge=JudgeKind.none,
    )
    results = evaluate(asked, load)
    assert results.record["seen_in_training"]["voice"] == results.record["seen_in_training"]["template"] == 0
    assert results.figures["wer_percent"].n == 3
    assert results.figures["talk_percent"].n == 2
    assert (tmp_path / "eval" / "sounds").is_dir()
