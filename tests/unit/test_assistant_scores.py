"""Scores of the assistant domain: due replies score in full, wrong ones do not, and nothing is guessed."""

import json
from dataclasses import replace

import jsonschema
import pytest

from omni_audio.data.corpora.assistant.generate import generate_assistant_items
from omni_audio.data.corpora.assistant.instructions import Answer, Instruction, check
from omni_audio.data.corpora.assistant.item import AssistantItem, Turn
from omni_audio.data.corpora.assistant.parts import REQUIRED
from omni_audio.data.corpora.assistant.tools import ASSISTANT_TOOLS
from omni_audio.data.corpora.assistant.wordings_follow import QUESTIONS
from omni_audio.data.corpora.commands_slots import ToolCall
from omni_audio.evaluation.assistant_scores import (
    GivenTurn,
    asks_for,
    due_turn,
    is_valid_call,
    refuses,
    score_assistant,
    score_item,
    score_turn,
)

ALARM = ToolCall(name="set_alarm", arguments={"time": "07:00", "day": "tomorrow"})
LIST = ToolCall(name="add_to_list", arguments={"items": ["milk", "eggs"]})
OFFERED = ("set_alarm", "add_to_list")


def raw(call: ToolCall, **changes: object) -> str:
    return json.dumps({"name": call.name, "arguments": {**call.arguments, **changes}})


def turn_of(*calls: ToolCall) -> Turn:
    return Turn(user="x", calls=calls, results=({},) * len(calls), answer=Answer("okay."))


def given(*raw_calls: str, text: str = "okay.") -> GivenTurn:
    return GivenTurn(Answer(text), raw_calls)


@pytest.fixture(scope="module")
def items() -> list[AssistantItem]:
    return list(generate_assistant_items(1500, "test", 0))


def test_due_replies_score_in_full(items: list[AssistantItem]) -> None:
    scores = score_assistant(items, [[due_turn(turn) for turn in item.turns] for item in items])
    assert len(scores["all"]) == 9
    assert all(figure["value"] == 100.0 for figure in scores["all"].values())
    assert scores["all"]["talk_percent"]["n"] == len(items)
    turns = [turn for item in items for turn in item.turns]
    assert scores["all"]["call_exact_percent"]["n"] == sum(bool(turn.calls) for turn in turns)
    assert scores["all"]["no_call_percent"]["n"] == sum(not turn.calls for turn in turns)
    assert scores["all"]["refusal_percent"]["n"] == sum(turn.refuses for turn in turns)
    assert scores["all"]["ask_back_percent"]["n"] == sum(bool(turn.asks_for) for turn in turns)
    assert scores["all"]["compliance_percent"]["n"] == sum(bool(turn.instructions) for turn in turns)
    assert set(scores) == {"all", "by_kind", "by_area", "by_tool", "by_instruction"}
    assert sum(row["talk_percent"]["n"] for row in scores["by_kind"].values()) == len(items)


def test_replies_of_other_items_score_near_nothing(items: list[AssistantItem]) -> None:
    single = [item for item in items if item.kind == "tool_call"]
    replies = [[due_turn(item.turns[0])] for item in [*single[1:], single[0]]]
    assert score_assistant(single, replies)["all"]["call_exact_percent"]["value"] < 3.0


def test_silence_scores_nothing_but_no_call(items: list[AssistantItem]) -> None:
    replies = [[GivenTurn(Answer("")) for _ in item.turns] for item in items]
    found = score_assistant(items, replies)["all"]
    assert found["no_call_percent"]["value"] == 100.0
    for name in ("call_exact_percent", "refusal_percent", "ask_back_percent", "compliance_percent"):
        assert found[name]["value"] == 0.0
    assert "schema_valid_percent" not in found  # nothing was called: left out, not 0


def test_calls_are_compared_as_trees() -> None:
    turn = turn_of(ALARM)
    turned = json.dumps({"arguments": {"day": "tomorrow", "time": "07:00"}, "name": "set_alarm"})
    assert score_turn(turn, given(turned), OFFERED).calls.exact
    wrong = score_turn(turn, given(raw(ALARM, time="07:01")), OFFERED)
    assert not wrong.calls.exact
    assert wrong.calls.name
    assert wrong.is_valid
    for broken in ("set_alarm(07:00)", raw(ALARM) + "}", '{"name": "set_alarm"}'):
        score = score_turn(turn, given(broken), OFFERED)
        assert not score.calls.parsed
        assert not score.calls.exact
        assert score.is_valid is False
    swapped = score_turn(turn_of(LIST), given(raw(LIST, items=["eggs", "milk"])), OFFERED)
    assert not swapped.calls.exact


def test_several_due_calls_in_any_order_each_once() -> None:
    turn = turn_of(ALARM, LIST)
    assert score_turn(turn, given(raw(ALARM), raw(LIST)), OFFERED).calls.exact
    assert score_turn(turn, given(raw(LIST), raw(ALARM)), OFFERED).calls.exact
    for calls in ([raw(ALARM)], [raw(ALARM)] * 2, [raw(ALARM), raw(LIST), raw(LIST)], []):
        assert not score_turn(turn, given(*calls), OFFERED).calls.exact
    one_wrong = score_turn(turn, given(raw(ALARM, day="today"), raw(LIST)), OFFERED).calls
    assert (one_wrong.exact, one_wrong.name) == (False, True)
    assert not score_turn(turn, given(raw(ALARM), "broken"), OFFERED).calls.parsed


def test_validity_is_that_of_the_schema() -> None:
    assert is_valid_call(raw(ALARM), OFFERED)
    assert not is_valid_call(raw(ALARM), ("add_to_list",))  # not offered
    assert not is_valid_call('{"name": "dance", "arguments": {}}', ("dance",))
    for changes in ({"time": "7"}, {"time": None}, {"day": "yesterday"}, {"loud": True}):
        call = raw(ALARM, **changes)
        assert not is_valid_call(call, OFFERED)
        schema = ASSISTANT_TOOLS["set_alarm"]["parameters"]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(call)["arguments"], schema)
    missing = json.dumps({"name": "set_alarm", "arguments": {"day": "today"}})
    assert not is_valid_call(missing, OFFERED)


def test_questions_ask_for_exactly_the_missing_argument() -> None:
    for question in QUESTIONS:
        required = REQUIRED[question.tool]
        assert asks_for(question.question, question.argument, required)
        assert not asks_for(question.question.rstrip("?") + ".", question.argument, required)
        assert not asks_for("sorry, i can't do that.", question.argument, required)
        for other in QUESTIONS:
            if other.tool == question.tool and other.argument != question.argument:
                assert not asks_for(other.question, question.argument, required)
                both = f"{question.question} {other.question}"
                assert not asks_for(both, question.argument, required)
    with pytest.raises(ValueError, match="argument"):
        asks_for("what?", "shoe")


def test_asking_while_calling_is_no_abstention() -> None:
    turn = Turn(user="x", answer=Answer("sure, for what time?"), asks_for="time", wanted="set_alarm")
    assert score_turn(turn, due_turn(turn), OFFERED).asks_back
    assert not score_turn(turn, given(raw(ALARM), text="for what time?"), OFFERED).asks_back
    assert not score_turn(turn, given(text="for which city?"), OFFERED).asks_back
    refusing = Turn(user="x", answer=Answer("sorry, i can't do that."), refuses=True)
    assert score_turn(refusing, due_turn(refusing), OFFERED).refuses
    assert not score_turn(refusing, given(raw(ALARM), text="sorry, i can't."), OFFERED).refuses
    assert not score_turn(refusing, given(text="okay, done."), OFFERED).refuses


def test_a_curly_apostrophe_is_one() -> None:
    assert refuses("I can\u2019t do that.") == refuses("i can't do that.") is True
    assert check(Answer("Don\u2019t."), Instruction("only", {"text": "don't"}))


def test_refusals_are_known_by_their_words(items: list[AssistantItem]) -> None:
    for item in items:
        for turn in item.turns:
            assert not turn.refuses or refuses(turn.answer.text)
            if turn.calls and not any(result.get("ok") is False for result in turn.results):
                assert (
                    not refuses(turn.answer.text)
                    or any("text" in c.arguments for c in turn.calls)
                    or ("messages" in turn.results[0])
                )


def test_wrong_manner_does_not_comply(items: list[AssistantItem]) -> None:
    item = next(i for i in items if any(x.kind == "slower" for x in i.turns[-1].instructions))
    due = [due_turn(turn) for turn in item.turns]
    usual = [replace(reply, answer=replace(reply.answer, speed=1.0)) for reply in due]
    assert all(score.complies is not False for score in score_item(item, due))
    assert score_item(item, usual)[-1].complies is False


def test_each_turn_wants_a_reply(items: list[AssistantItem]) -> None:
    with pytest.raises(ValueError, match="one for each turn"):
        score_item(items[0], [])
    with pytest.raises(ValueError):  # noqa: PT011 zip has its own message
        score_assistant(items[:2], [[due_turn(turn) for turn in items[0].turns]])
