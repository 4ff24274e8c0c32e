"""The fixed rules by which replies of public suites are read and judged."""

import pytest

from omni_audio.evaluation.suites.bfcl_match import json_schema, same_calls
from omni_audio.evaluation.suites.ifeval_checks import CHECKS, LEFT_OUT, follows
from omni_audio.evaluation.suites.strict_answers import said_letter, said_number, said_word
from omni_audio.evaluation.tools import Call


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("Yes.", "yes"),
        ("yes, there is no doubt", "yes"),
        ("I would say no", "no"),
        ("it may be yes or no", None),
        ("certainly", None),
        ("it is not yes", None),
        ("", None),
    ],
)
def test_words(reply, found):
    assert said_word(reply, ("yes", "no")) == found


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("there are twelve", 12),
        ("12, so 12", 12),
        ("two or three", None),
        ("many", None),
        ("1,000", 1000),
    ],
)
def test_numbers(reply, found):
    assert said_number(reply) == found


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("B", "B"),
        ("(c)", "C"),
        ("D. because it is", "D"),
        ("The answer is (B).", "B"),
        ("the answer is a", "A"),
        ("The answer is option C", "C"),
        ("A dog is an animal", None),
        ("the answer is a dog", None),
        ("Option A or option B", None),
        ("either (A) or (B)", None),
        ("E", None),
        ("", None),
    ],
)
def test_letters(reply, found):
    assert said_letter(reply) == found


@pytest.mark.parametrize(
    ("kind", "given", "good", "bad"),
    [
        ("keywords:existence", {"keywords": ["cat", "dog"]}, "A Cat and a dog", "a cat"),
        ("keywords:frequency", {"keyword": "cat", "relation": "at least", "frequency": 2}, "cat cat", "cat"),
        ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "a catalogue", "the Cat"),
        (
            "keywords:letter_frequency",
            {"letter": "e", "let_relation": "less than", "let_frequency": 2},
            "tree"[:3],
            "tree",
        ),
        (
            "length_constraints:number_words",
            {"relation": "less than", "num_words": 4},
            "one two three",
            "a b c d",
        ),
        (
            "length_constraints:number_paragraphs",
            {"num_paragraphs": 2},
            "one\n***\ntwo",
            "one\n***\n***\ntwo",
        ),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Well"},
            'one\n\n"Well, two',
            "one\n\ntwo well",
        ),
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] [place]", "[name]"),
        ("detectable_content:postscript", {"postscript_marker": "P.S."}, "words\nP. S. more", "words"),
        (
            "detectable_format:number_bullet_lists",
            {"num_bullets": 2},
            "* one\n- two",
            "* one\n* two\n* three",
        ),
        ("detectable_format:constrained_response", {}, "My answer is yes.", "yes"),
        (
            "detectable_format:number_highlighted_sections",
            {"num_highlights": 2},
            "*one* and **two**",
            "*one*",
        ),
        (
            "detectable_format:multiple_sections",
            {"section_spliter": "SECTION", "num_sections": 2},
            "SECTION 1 x SECTION 2 y",
            "SECTION 1 x",
        ),
        ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "{a}"),
        ("detectable_format:title", {}, "<<a title>> text", "<< >> text"),
        ("combination:two_responses", {}, "one ****** two", "one ****** one"),
        ("combination:repeat_prompt", {"prompt_to_repeat": "Say it"}, "say it then words", "words"),
        ("startend:end_checker", {"end_phrase": "The end."}, 'words the end."', "the end. words"),
        ("startend:quotation", {}, '"words"', '"words'),
        ("punctuation:no_comma", {}, "no commas", "one, two"),
    ],
)
def test_each_instruction_has_a_reply_that_follows_and_one_that_does_not(kind, given, good, bad):
    assert follows(kind, good, given)
    assert not follows(kind, bad, given)
    assert not follows(kind, "  ", given)


def test_kinds_are_those_of_the_paper():
    assert len(CHECKS) == 20
    assert len(CHECKS.keys() | set(LEFT_OUT)) == 25
    with pytest.raises(ValueError, match="Leave the item out"):
        follows("language:response_language", "words", {})
    with pytest.raises(ValueError, match="kwargs lack"):
        follows("keywords:existence", "words", {})
    with pytest.raises(ValueError, match="at least"):
        follows("length_constraints:number_words", "words", {"relation": "more", "num_words": 1})


TRUTH = [
    {
        "f": {
            "city": ["New York, NY", "NYC"],
            "days": ["", 3],
            "box": [{"min": [1], "max": [2, ""]}],
            "list": [[1, 2]],
        }
    }
]
RIGHT = {"city": "new york NY", "box": {"min": 1.0}, "list": [1, 2]}


@pytest.mark.parametrize(
    ("change", "is_right"),
    [
        ({}, True),
        ({"days": 3}, True),
        ({"days": 4}, False),
        ({"days": "3"}, False),
        ({"days": True}, False),
        ({"box": {"min": 1, "max": 2}}, True),
        ({"box": {"max": 2}}, False),
        ({"list": [2, 1]}, False),
        ({"city": "Boston"}, False),
        ({"more": 1}, False),
    ],
)
def test_arguments_are_held_against_possible_ones(change, is_right):
    assert same_calls([Call("f", RIGHT | change)], TRUTH) == is_right


def test_calls_come_in_any_order_and_each_once():
    due = [{"f": {"a": [1]}}, {"f": {"a": [2]}}, {"g": {}}]
    calls = [Call("g", {}), Call("f", {"a": 2}), Call("f", {"a": 1})]
    assert same_calls(calls, due)
    assert not same_calls([Call("f", {"a": 1}), Call("f", {"a": 1}), Call("g", {})], due)
    assert not same_calls(calls[:2], due)
    assert not same_calls([Call("other", RIGHT)], TRUTH)
    assert not same_calls(
        [Call("f", {name: value for name, value in RIGHT.items() if name != "city"})], TRUTH
    )


def test_types_of_the_leaderboard_become_json_schema():
    given = {
        "type": "dict",
        "properties": {
            "a": {"type": "float", "default": 1.0},
            "b": {"type": "tuple", "items": {"type": "any"}},
            "c": {"type": "string", "enum": ["x"]},
        },
        "required": ["a"],
    }
    assert json_schema(given) == {
        "type": "object",
        "properties": {
            "a": {"type": "number"},
            "b": {"type": "array", "items": {}},
            "c": {"type": "string", "enum": ["x"]},
        },
        "additionalProperties": False,
        "required": ["a"],
    }
