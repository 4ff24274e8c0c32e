"""The spoken-command domain: texts, calls, determinism, held-out templates."""

import json
import re
import subprocess
import sys

import pytest

from omni_audio.data.corpora import commands
from omni_audio.data.corpora.commands import (
    INTENTS,
    TOOLS,
    CommandItem,
    CorpusError,
    generate_items,
    templates_of,
)
from omni_audio.data.corpora.commands_slots import spell
from omni_audio.data.corpora.commands_small_talk import TOPICS
from omni_audio.data.corpora.commands_templates import DO_PREFIXES, DO_SUFFIXES, SAY_PREFIXES, SAY_SUFFIXES

POLITE_WORDS = set(" ".join(DO_PREFIXES + DO_SUFFIXES + SAY_PREFIXES + SAY_SUFFIXES).split())
SPLITS = ("train", "dev", "test")


@pytest.fixture(scope="module")
def items() -> dict[str, list[CommandItem]]:
    sizes = {"train": 20_000, "dev": 300, "test": 500}
    return {split: generate_items(size, split, 0) for split, size in sizes.items()}


def core_of(text: str) -> str:
    words = [word for word in text.split() if word not in POLITE_WORDS]
    return " ".join(words) or text


def test_requests_are_unique_in_and_between_splits(items: dict[str, list[CommandItem]]) -> None:
    requests = [item.request for split in SPLITS for item in items[split]]
    assert len(requests) == len(set(requests)) == 20_800


@pytest.mark.parametrize("intent", INTENTS)
def test_templates_are_many_and_disjoint_also_without_politeness(intent: str) -> None:
    cores = {split: {core_of(t.text) for t in templates_of(intent, split)} for split in SPLITS}
    assert len(cores["train"]) >= 25
    assert len(cores["dev"]) >= 3
    assert len(cores["test"]) >= 4
    assert not cores["train"] & cores["dev"]
    assert not cores["train"] & cores["test"]
    assert not cores["dev"] & cores["test"]


def test_template_ids_of_items_are_those_of_their_split(items: dict[str, list[CommandItem]]) -> None:
    used = {split: {item.template_id for item in items[split]} for split in SPLITS}
    for split in SPLITS:
        assert used[split] <= {t.template_id for intent in INTENTS for t in templates_of(intent, split)}
        assert all(f"-{split}-" in name for name in used[split])
    assert not used["train"] & used["test"]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_held_out_requests_use_training_words(items: dict[str, list[CommandItem]], split: str) -> None:
    known = {word for item in items["train"][:6000] for word in item.request.split()}
    held_out = {word for item in generate_items(3000, split, 1) for word in item.request.split()}
    assert held_out <= known
    assert {word for item in items[split] for word in item.request.split()} <= known


def test_texts_are_speakable(items: dict[str, list[CommandItem]]) -> None:
    for item in items["train"]:
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", item.request), item.request
        assert re.fullmatch(r"[a-z]+(,? [a-z]+)*[.?]", item.answer), item.answer
        assert re.fullmatch(r"[a-z]+(,? [a-z]+)*[.?]", item.plain_answer), item.plain_answer
        assert not re.search(r"\ba [aeiou]", item.request), item.request
        assert not re.search(r"\bplease\b.*\bplease\b", item.request), item.request
        assert "_" not in item.request
        assert len(item.answer.split()) <= 12


def test_answers_are_few(items: dict[str, list[CommandItem]]) -> None:
    assert len({text for item in items["train"] for text in (item.answer, item.plain_answer)}) <= 1200


def test_intents_are_balanced(items: dict[str, list[CommandItem]]) -> None:
    counts = [sum(i.template_id.startswith(f"{intent}-") for i in items["train"]) for intent in INTENTS]
    assert max(counts) - min(counts) <= 1
    topics = {item.template_id.split("-")[1] for item in items["test"] if item.domain == "small_talk"}
    assert topics == set(TOPICS)


def test_calls_fit_their_schemas(items: dict[str, list[CommandItem]]) -> None:
    python_types = {"integer": int, "string": str, "number": float, "boolean": bool}
    seen = set()
    for item in [*items["train"], *items["test"]]:
        call = item.tool_call
        assert (call is None) == (item.tool_result is None)
        if call is None:
            assert item.domain in ("small_talk", "arithmetic")
            assert item.answer == item.plain_answer
            continue
        seen.add(call.name)
        schema = TOOLS[call.name]["parameters"]
        assert set(schema["required"]) <= set(call.arguments) <= set(schema["properties"])
        for name, value in call.arguments.items():
            rule = schema["properties"][name]
            assert type(value) is python_types[rule["type"]]
            assert value in rule.get("enum", [value])
            if isinstance(value, int):
                assert rule["minimum"] <= value <= rule.get("maximum", value)
        assert json.loads(json.dumps(call.arguments)) == call.arguments
    assert seen == set(TOOLS)


def test_answer_follows_from_call_and_result(items: dict[str, list[CommandItem]]) -> None:
    answers: dict[tuple[str, str | None], str] = {}
    for item in items["train"]:
        if item.tool_call is None:
            continue
        call = item.tool_call
        if call.name == "get_weather":
            when = {"day": "today" if call.arguments["day"] == "today" else "later"}
            key = (json.dumps(when), item.tool_result)
            assert item.tool_result is not None
            condition, degrees = item.tool_result.split()
            assert condition in item.answer
            assert f" {spell(int(degrees))} degree" in item.answer
        else:
            key = (call.name + json.dumps(call.arguments, sort_keys=True), item.tool_result)
        assert answers.setdefault(key, item.answer) == item.answer


def test_request_says_the_arguments(items: dict[str, list[CommandItem]]) -> None:
    for item in items["train"]:
        arguments = item.tool_call.arguments if item.tool_call else {}
        for name in ("room", "city", "label", "state"):
            assert str(arguments.get(name, "")) in item.request
        for name in ("value", "brightness", "level"):
            if name in arguments:
                assert f" {spell(int(arguments[name]))} " in f" {item.request} "


def test_same_arguments_give_the_same_items_in_another_process() -> None:
    script = (
        "from omni_audio.data.corpora.commands import *\n"
        "print(domain_digest(), [i.request + i.answer for i in generate_items(40, 'test', 3)])"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    outputs = {
        subprocess.run(
            command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    here = [i.request + i.answer for i in generate_items(40, "test", 3)]
    assert outputs == {f"{commands.domain_digest()} {here}\n"}


def test_a_shorter_list_begins_a_longer_one() -> None:
    assert generate_items(50, "train", 7) == generate_items(500, "train", 7)[:50]


def test_seeds_differ_and_zero_counts() -> None:
    assert generate_items(20, "train", 0) != generate_items(20, "train", 1)
    assert generate_items(0, "train", 0) == []


def test_too_many_items_are_refused() -> None:
    with pytest.raises(CorpusError, match="used up") as caught:
        generate_items(200_000, "dev", 0)
    assert caught.value.name == "num_items"


@pytest.mark.parametrize(
    "call",
    [
        lambda: generate_items(-1, "train", 0),
        lambda: generate_items(1, "validation", 0),
        lambda: templates_of("dance", "train"),
        lambda: spell(200),
        lambda: spell(-1),
    ],
)
def test_bad_arguments_are_named(call) -> None:
    with pytest.raises(CorpusError) as caught:
        call()
    assert caught.value.allowed
    assert caught.value.remedy
    assert caught.value.name in str(caught.value)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (14, "fourteen"),
        (20, "twenty"),
        (45, "forty five"),
        (100, "one hundred"),
        (144, "one hundred forty four"),
    ],
)
def test_spell(number: int, words: str) -> None:
    assert spell(number) == words
