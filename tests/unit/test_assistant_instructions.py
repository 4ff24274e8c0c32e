"""Checkers of instructions: each takes the due answer and rejects wrong ones; facts are answered as the list says."""

from dataclasses import replace

import pytest

from omni_audio.data.corpora.assistant.facts import FACT_GROUPS, MEMBERS, STATEMENTS
from omni_audio.data.corpora.assistant.generate import AssistantConfig, generate_assistant_items
from omni_audio.data.corpora.assistant.instructions import (
    INSTRUCTION_KINDS,
    Answer,
    Instruction,
    check,
)
from omni_audio.data.corpora.assistant.make_instructions import OF_SO_MANY_WORDS
from omni_audio.data.corpora.commands_slots import CorpusError

ONLY_INSTRUCTIONS = AssistantConfig(shares={"instruction": 1.0})


def mutations(answer: Answer, kind: str) -> list[Answer]:
    """Answers that no longer comply."""
    words = answer.text.rstrip(".?").split()
    longer = replace(answer, text=f"{answer.text.rstrip('.?')} and so on and on and on and on and on and on.")
    other = replace(answer, text="no idea what you mean by that, zebra umbrella.")
    empty = replace(answer, text="")
    if kind in ("text_only", "slower", "faster"):
        flipped = replace(answer, spoken=not answer.spoken)
        usual = replace(answer, speed=1.0)
        return [flipped] if kind == "text_only" else [flipped, usual]
    if kind in ("begin_with", "end_with"):
        turned = " ".join(words[::-1]) if len(set(words)) > 1 else "something else"
        return [replace(answer, text=f"maybe {turned} maybe"), empty, other]
    if kind == "without_word":
        return [empty]
    if kind == "at_most_words":
        return [longer, empty]
    if kind == "digits":
        return [replace(answer, text=f"{answer.text}1"), longer, other, empty, replace(answer, text="seven")]
    shorter = replace(answer, text=" ".join(words[:-1]))
    return [longer, other, empty, shorter]


def test_every_checker_takes_the_due_answer_and_rejects_mutations() -> None:
    seen: dict[str, int] = dict.fromkeys(INSTRUCTION_KINDS, 0)
    for split in ("train", "test"):
        for item in generate_assistant_items(4000, split, 0, ONLY_INSTRUCTIONS):
            for turn in item.turns:
                for instruction in turn.instructions:
                    assert check(turn.answer, instruction), (turn, instruction)
                    for wrong in mutations(turn.answer, instruction.kind):
                        assert not check(wrong, instruction), (wrong, instruction)
                    if instruction.kind == "without_word":
                        banned = f"{turn.answer.text.rstrip('.')} {instruction.arguments['word']}."
                        assert not check(replace(turn.answer, text=banned), instruction)
                    seen[instruction.kind] += 1
    assert len(seen) >= 15
    assert min(seen.values()) >= 50


@pytest.mark.parametrize(
    ("kind", "arguments", "right", "wrong"),
    [
        ("one_word", {}, "paris.", "in paris."),
        ("at_most_words", {"number": 3}, "it is paris", "i think it is"),
        ("exactly_words", {"number": 2}, "hello there!", "hello"),
        ("only", {"text": "i'm late"}, "I'm late.", "i am late"),
        ("spell", {"word": "lee"}, "L, e, e.", "l e"),
        ("spell", {"word": "lee"}, "l-e-e", "lee"),
        ("repeat", {"phrase": "toy boat", "times": 2}, "toy boat, toy boat", "toy boat, toy boat, toy boat"),
        ("count", {"start": 1, "stop": 4, "step": 1}, "one two three four", "one two four three"),
        ("count", {"start": 4, "stop": 2, "step": -1}, "four, three, two.", "four, three"),
        ("count", {"start": 2, "stop": 6, "step": 2}, "two four six", "two three four five six"),
        ("yes_or_no", {"truth": "yes"}, "Yes.", "no"),
        ("yes_or_no", {"truth": "yes"}, "yes", "yes it is"),
        ("begin_with", {"word": "well"}, "well, it is", "it is well"),
        ("begin_with", {"word": "well"}, "well okay", "well"),
        ("end_with", {"word": "my friend"}, "hello, my friend.", "my friend, hello"),
        ("without_word", {"word": "the"}, "paris is", "paris is the one"),
        ("digits", {"value": 12}, "12", "twelve"),
        ("digits", {"value": -3}, "-3.", "3"),
        ("list_of", {"number": 2, "category": "colors"}, "red and blue", "red and red"),
        ("list_of", {"number": 2, "category": "colors"}, "red, blue", "red, dog"),
        ("list_of", {"number": 3, "category": "colors"}, "red, blue, pink", "red, blue"),
        ("in_order", {"things": ["pear", "fig"]}, "fig and pear", "pear and fig"),
    ],
)
def test_checkers_by_hand(kind: str, arguments: dict, right: str, wrong: str) -> None:
    instruction = Instruction(kind, arguments)
    assert check(Answer(right), instruction)
    assert not check(Answer(wrong), instruction)


def test_manner_is_checked_by_sound_and_speed() -> None:
    assert check(Answer("it is", spoken=False), Instruction("text_only"))
    assert not check(Answer("it is"), Instruction("text_only"))
    assert check(Answer("it is", speed=0.8), Instruction("slower"))
    assert not check(Answer("it is", speed=0.97), Instruction("slower"))
    assert not check(Answer("it is", spoken=False, speed=0.8), Instruction("slower"))
    assert check(Answer("it is", speed=1.3), Instruction("faster"))
    assert not check(Answer("it is", speed=1.05), Instruction("faster"))


@pytest.mark.parametrize(
    "instruction",
    [
        Instruction("dance"),
        Instruction("spell"),
        Instruction("one_word", {"number": 3}),
        Instruction("list_of", {"number": 1, "category": "dragons"}),
    ],
)
def test_unknown_instructions_are_refused(instruction: Instruction) -> None:
    with pytest.raises(CorpusError):
        check(Answer("yes"), instruction)


def test_answers_of_so_many_words_have_them() -> None:
    assert all(len(text.split()) == number for number, text in OF_SO_MANY_WORDS.items())


def test_facts_are_consistent() -> None:
    assert sum(len(group.facts) for group in FACT_GROUPS) >= 240
    for group in FACT_GROUPS:
        assert all(template.slots == ("x",) for split in group.wordings for template in group.wordings[split])
    questions = [question for question, _ in STATEMENTS]
    assert len(questions) == len(set(questions)) >= 50
    assert {truth for _, truth in STATEMENTS} == {"yes", "no"}
    assert all(len(members) == len(set(members)) >= 6 for members in MEMBERS.values())
