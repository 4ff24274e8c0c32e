"""The assistant domain: determinism, splits, calls, talk of several turns, speakable texts, counts."""

import json
import re
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from omni_audio.cli.main import main
from omni_audio.data.corpora.assistant.datasheet import (
    PAGE_SIZES,
    assistant_datasheet,
    datasheet_page,
)
from omni_audio.data.corpora.assistant.generate import (
    DEFAULT_SHARES,
    AssistantConfig,
    generate_assistant_items,
)
from omni_audio.data.corpora.assistant.item import KINDS, AssistantItem
from omni_audio.data.corpora.assistant.parts import REQUIRED, TOOL_WORDINGS
from omni_audio.data.corpora.assistant.slots import HELD_OUT_CLASSES, SLOTS, number_class
from omni_audio.data.corpora.assistant.tools import (
    AREA_OF_TOOL,
    ASSISTANT_TOOLS,
    FAMILY_OF_TOOL,
    TOOL_NAMES,
)
from omni_audio.data.corpora.assistant.values import OPEN_VALUES
from omni_audio.data.corpora.assistant.wordings import all_templates, read_template, read_wordings
from omni_audio.data.corpora.commands_slots import CorpusError
from omni_audio.tokenizer.semantic import CTC_ALPHABET

ROOT = Path(__file__).resolve().parents[2]
SPLITS = ("train", "dev", "test")
SIZES = {"train": 20_000, "dev": 2_000, "test": 4_000}
OPEN_ARGUMENTS = {
    "name": "name",
    "city": "city",
    "song": "song",
    "artist": "artist",
    "text": "message",
    "task": "task",
    "title": "event",
    "place": "place",
    "item": "item",
}
PAIRS = [("train", "dev"), ("train", "test"), ("dev", "test")]


@pytest.fixture(scope="module")
def items() -> dict[str, list[AssistantItem]]:
    return {split: list(generate_assistant_items(size, split, 0)) for split, size in SIZES.items()}


def every(items: dict[str, list[AssistantItem]]):
    return (item for split in SPLITS for item in items[split])


def skeleton(text: str) -> str:
    return re.sub(r"\{\w+\}", "{}", text)


def test_tools_are_many_and_their_schemas_are_schemas() -> None:
    assert len(TOOL_NAMES) >= 24
    assert len(set(AREA_OF_TOOL.values())) >= 10
    for name, tool in ASSISTANT_TOOLS.items():
        jsonschema.Draft202012Validator.check_schema(tool["parameters"])
        assert tool["name"] == name
        assert tool["description"].endswith(".")
        parameters = tool["parameters"]
        assert parameters["additionalProperties"] is False
        assert set(parameters["required"]) <= set(parameters["properties"])
        assert all("description" in rule and "type" in rule for rule in parameters["properties"].values())


@pytest.mark.parametrize("tool", TOOL_NAMES)
def test_each_tool_has_enough_templates(tool: str) -> None:
    assert len(TOOL_WORDINGS[tool]["train"]) >= 12
    assert len(TOOL_WORDINGS[tool]["dev"]) >= 3
    assert len(TOOL_WORDINGS[tool]["test"]) >= 4


def test_templates_of_the_splits_differ_in_words_also_across_groups() -> None:
    texts: dict[str, set[str]] = {split: set() for split in SPLITS}
    for template_id, template in all_templates().items():
        texts[template_id.split("-")[-2]].add(skeleton(template.text))
    for one, other in PAIRS:
        assert not texts[one] & texts[other]


def test_no_template_value_or_text_is_in_two_splits(items: dict[str, list[AssistantItem]]) -> None:
    ids: dict[str, set[str]] = {split: set() for split in SPLITS}
    texts: dict[str, set[str]] = {split: set() for split in SPLITS}
    values: dict[str, set[tuple[str, str]]] = {split: set() for split in SPLITS}
    for item in every(items):
        split = item.split
        ids[split].update(item.template_ids)
        texts[split].update(turn.user for turn in item.turns)
        values[split].update((SLOTS[slot].kind, w) for slot, w in item.values if SLOTS[slot].kind)
        for call in (call for turn in item.turns for call in turn.calls):
            for argument, kind in OPEN_ARGUMENTS.items():
                if argument in call.arguments:
                    values[split].add((kind, str(call.arguments[argument])))
            values[split].update(("item", item) for item in call.arguments.get("items", ()))
    assert all(f"-{split}-" in template_id for split in SPLITS for template_id in ids[split])
    assert {kind for kind, _ in values["train"]} == set(OPEN_VALUES)
    for one, other in PAIRS:
        assert not ids[one] & ids[other]
        assert not texts[one] & texts[other]
        assert not values[one] & values[other]


def test_values_that_results_bring_are_those_of_the_split(items: dict[str, list[AssistantItem]]) -> None:
    seen = Counter()
    for item in every(items):
        for result in (result for turn in item.turns for result in turn.results):
            for key, kind, part in (
                ("messages", "message", "text"),
                ("events", "event", "title"),
                ("reminders", "task", "task"),
            ):
                for entry in result.get(key, ()):
                    assert entry[part] in OPEN_VALUES[kind][item.split]
                    seen[key] += 1
    assert min(seen.values()) > 100
    assert len(seen) == 3


def test_open_values_are_disjoint() -> None:
    for by_split in OPEN_VALUES.values():
        for one, other in PAIRS:
            assert not set(by_split[one]) & set(by_split[other])
        assert len(by_split["train"]) > len(by_split["test"]) >= 4


def test_numbers_are_held_out_by_their_class(items: dict[str, list[AssistantItem]]) -> None:
    num_checked = Counter()
    for item in every(items):
        classes = HELD_OUT_CLASSES[item.split]
        for turn in item.turns[:1]:
            for call in turn.calls:
                arguments: dict[str, Any] = call.arguments
                if call.name == "calculate":
                    assert number_class(arguments["left"], arguments["right"]) in classes
                elif call.name == "convert_units":
                    assert number_class(arguments["value"]) in classes
                elif "phone" in arguments:
                    assert sum(map(int, arguments["phone"])) % 10 in classes
                else:
                    continue
                num_checked[call.name] += 1
    assert set(num_checked) == {"calculate", "convert_units", "call_number", "add_contact"}
    assert number_class(3, 4) == 3


def test_calls_fit_their_schemas_and_are_offered(items: dict[str, list[AssistantItem]]) -> None:
    validators = {
        name: jsonschema.Draft202012Validator(tool["parameters"]) for name, tool in ASSISTANT_TOOLS.items()
    }
    used = Counter()
    for item in every(items):
        assert len(set(item.tools)) == len(item.tools)
        assert set(item.tools) <= set(TOOL_NAMES)
        for turn in item.turns:
            assert len(turn.calls) == len(turn.results)
            for call in turn.calls:
                assert call.name in item.tools
                assert validators[call.name].is_valid(call.arguments), call
                used[call.name] += 1
            json.dumps(turn.results)
    assert set(used) == set(TOOL_NAMES)
    assert min(used.values()) > 50


def test_offered_tools_stand_in_the_system_text(items: dict[str, list[AssistantItem]]) -> None:
    first = next(item for item in items["train"] if item.tools and not item.system)
    assert first.system_text == "tools: " + " ".join(first.tools)
    told = next(item for item in items["train"] if item.system and item.tools)
    assert told.system_text == f"tools: {' '.join(told.tools)}\n{told.system}"
    assert all(item.system_text == item.system for item in items["train"] if not item.tools)


def test_due_tool_has_no_fixed_place_among_the_offered(items: dict[str, list[AssistantItem]]) -> None:
    calls = [item for item in items["train"] if item.kind == "tool_call"]
    places = Counter(item.tools.index(item.turns[0].calls[0].name) for item in calls if len(item.tools) == 4)
    assert set(places) == {0, 1, 2, 3}
    assert min(places.values()) > 0.15 * places.total()


def test_abstention_items_offer_no_fitting_tool(items: dict[str, list[AssistantItem]]) -> None:
    found = [item for item in every(items) if item.kind == "no_tool"]
    assert found
    assert {bool(item.turns[0].wanted) for item in found} == {True, False}
    for item in found:
        (turn,) = item.turns
        assert turn.refuses
        assert not turn.calls
        if turn.wanted:
            offered = {FAMILY_OF_TOOL[tool] for tool in item.tools}
            assert FAMILY_OF_TOOL[turn.wanted] not in offered
            assert AREA_OF_TOOL[turn.wanted] == item.area
        else:
            assert item.area == "unserved"


def test_missing_arguments_are_required_and_then_given(items: dict[str, list[AssistantItem]]) -> None:
    found = [item for item in every(items) if item.kind == "missing_argument"]
    assert {len(item.turns) for item in found} == {1, 2}
    for item in found:
        asked = item.turns[0]
        assert asked.wanted in item.tools
        assert asked.asks_for in REQUIRED[asked.wanted]
        assert not asked.calls
        for later in item.turns[1:]:
            assert later.calls[0].name == asked.wanted
            assert asked.asks_for in later.calls[0].arguments


def test_corrections_differ_in_exactly_the_changed_argument(items: dict[str, list[AssistantItem]]) -> None:
    found = [item for item in every(items) if item.kind == "correction"]
    changed = Counter()
    for item in found:
        first, second = item.turns
        before, after = first.calls[0], second.calls[0]
        assert before.name == after.name
        assert before.arguments.keys() == after.arguments.keys()
        differing = [name for name in before.arguments if before.arguments[name] != after.arguments[name]]
        assert differing == [second.changed]
        changed[second.changed] += 1
    assert len(changed) >= 12


def test_self_repairs_say_two_values_and_call_with_one(items: dict[str, list[AssistantItem]]) -> None:
    found = [item for item in every(items) if item.kind == "self_repair"]
    assert len(found) > 500
    for item in found:
        (slot, wrong), (same_slot, right) = item.values[-2:]
        user = item.turns[0].user
        assert slot == same_slot
        assert wrong != right
        assert user.index(wrong) < user.rindex(right)


def test_spelled_words_are_the_argument(items: dict[str, list[AssistantItem]]) -> None:
    for item in every(items):
        if item.kind == "spelled":
            word = item.values[-1][1]
            assert f" {' '.join(word)} " in f" {item.turns[0].user} "
            arguments = item.turns[0].calls[0].arguments
            assert word in (arguments.get("name"), arguments.get("song"), *arguments.get("items", ()))


def test_two_calls_are_of_two_areas(items: dict[str, list[AssistantItem]]) -> None:
    for item in every(items):
        if item.kind == "two_calls":
            assert len({AREA_OF_TOOL[call.name] for call in item.turns[0].calls}) == 2
        elif item.kind in ("tool_call", "tool_answer", "self_repair", "spelled"):
            assert len(item.turns[0].calls) == len(item.turns) == 1


def test_dialogues_have_several_turns_and_go_on_from_the_call_before(
    items: dict[str, list[AssistantItem]],
) -> None:
    lengths = Counter(len(item.turns) for item in every(items) if item.kind == "dialogue")
    assert set(lengths) == {2, 3, 4}
    for item in every(items):
        if item.kind == "dialogue" and item.turns[1].calls:
            first, second = item.turns[0].calls[0], item.turns[1].calls[0]
            if (first.name, second.name) == ("calculate", "calculate"):
                assert second.arguments["left"] == item.turns[0].results[0]["value"]
            elif (first.name, second.name) == ("set_alarm", "cancel_alarm"):
                assert second.arguments["time"] == first.arguments["time"]


def test_requests_say_closed_arguments(items: dict[str, list[AssistantItem]]) -> None:
    for item in every(items):
        if item.kind in ("tool_call", "tool_answer"):
            (turn,) = item.turns
            for name in (
                "room",
                "city",
                "color",
                "genre",
                "name",
                "song",
                "item",
                "place",
                "to_unit",
                "label",
            ):
                value = turn.calls[0].arguments.get(name)
                assert value is None or str(value) in turn.user


def test_nothing_follows_a_message_or_a_task(items: dict[str, list[AssistantItem]]) -> None:
    templates = all_templates()
    num_checked = 0
    for item in every(items):
        last = [t for t in item.template_ids if not t.startswith("joined")][-1]
        if item.kind in ("tool_call", "two_calls") and templates[last].text.endswith(("{message}", "{task}")):
            arguments = item.turns[0].calls[-1].arguments
            num_checked += 1
            if item.template_ids[-1] == last or templates[item.template_ids[-1]].text[-8:] == "{second}":
                assert item.turns[0].user.endswith((arguments.get("text") or arguments["task"],))
    assert num_checked > 300


def test_texts_are_speakable(items: dict[str, list[AssistantItem]]) -> None:
    request = re.compile(r"[a-z']+( [a-z']+)*")
    answer = re.compile(r"[a-z']+(,? [a-z']+|[.] [a-z']+)*[.?]")
    for item in every(items):
        for turn in item.turns:
            assert set(turn.user) <= set(CTC_ALPHABET)
            assert request.fullmatch(turn.user), turn.user
            if item.kind != "spelled":  # letters stand alone there
                assert not re.search(r"\ba [aei][a-z]", turn.user), turn.user
            if turn.answer.spoken:
                assert answer.fullmatch(turn.answer.text), turn.answer.text
            else:
                assert re.fullmatch(r"[a-z0-9', .?-]+", turn.answer.text)
        assert re.fullmatch(r"([a-z' ]+\.)?", item.system)


def test_answers_are_short(items: dict[str, list[AssistantItem]]) -> None:
    lengths = [len(turn.answer.text.split()) for item in every(items) for turn in item.turns]
    assert max(lengths) <= 45
    assert sum(lengths) / len(lengths) < 12


def test_kinds_have_their_shares(items: dict[str, list[AssistantItem]]) -> None:
    counts = Counter(item.kind for item in items["train"])
    assert set(counts) == set(KINDS) == set(DEFAULT_SHARES)
    for kind, share in DEFAULT_SHARES.items():
        assert counts[kind] / SIZES["train"] == pytest.approx(share, abs=0.012)


def test_a_hundred_thousand_distinct_requests() -> None:
    drawn = generate_assistant_items(100_000, "train", 0)
    seen = {hash(item.request) for item in drawn}  # 64 bits: no two of 100 000 agree by chance
    assert len(seen) == 100_000


def test_same_arguments_give_the_same_items_in_another_process() -> None:
    script = (
        "from omni_audio.data.corpora.assistant.generate import *\n"
        "import hashlib\n"
        "text = repr(list(generate_assistant_items(400, 'test', 3)))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    outputs = {
        subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_no_audio_or_torch_is_loaded() -> None:
    script = (
        "import sys\n"
        "import omni_audio.data.corpora.assistant.files\n"
        "assert not {'torch', 'lhotse', 'numpy', 'soundfile'} & set(sys.modules)"
    )
    env = {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env=env)


def test_fewer_items_begin_more_and_seeds_differ() -> None:
    assert list(generate_assistant_items(50, "dev", 7)) == list(
        islice(generate_assistant_items(500, "dev", 7), 50)
    )
    assert list(generate_assistant_items(20, "dev", 0)) != list(generate_assistant_items(20, "dev", 1))
    assert list(generate_assistant_items(0, "dev", 0)) == []


def test_shares_decide_the_kinds() -> None:
    config = AssistantConfig(shares={"fact": 0.5, "small_talk": 0.5})
    kinds = Counter(item.kind for item in generate_assistant_items(400, "train", 0, config))
    assert set(kinds) == {"fact", "small_talk"}
    assert kinds["fact"] == pytest.approx(200, abs=50)


def test_a_used_up_kind_is_refused() -> None:
    config = AssistantConfig(shares={"small_talk": 1.0})
    with pytest.raises(CorpusError, match="used up"):
        list(generate_assistant_items(100_000, "dev", 0, config))


@pytest.mark.parametrize(
    "call",
    [
        lambda: generate_assistant_items(-1, "train", 0),
        lambda: generate_assistant_items(1, "validation", 0),
        lambda: AssistantConfig(shares={"dance": 1.0}),
        lambda: AssistantConfig(shares={"fact": 0.5}),
        lambda: AssistantConfig(shares={"fact": 1.5, "small_talk": -0.5}),
        lambda: AssistantConfig(max_words=3),
        lambda: read_template("set a Timer", "x"),
        lambda: read_template("set 2 timers", "x"),
        lambda: read_wordings("x", ("one\ntwo", "three", "one")),
    ],
)
def test_bad_arguments_are_named(call) -> None:
    with pytest.raises(CorpusError) as caught:
        call()
    assert caught.value.allowed
    assert caught.value.remedy


def test_the_page_agrees_with_the_code() -> None:
    page = (ROOT / "docs" / "assistant-domain.md").read_text(encoding="utf-8")
    assert page == datasheet_page(assistant_datasheet(PAGE_SIZES))


def test_datasheet_counts(items: dict[str, list[AssistantItem]]) -> None:
    sheet = assistant_datasheet({"train": 3000, "test": 500})
    assert sheet["splits"]["train"]["items"] == sum(c["train"] for c in sheet["kinds"].values()) == 3000
    assert sheet["splits"]["test"]["items"] == sum(c.get("test", 0) for c in sheet["areas"].values()) == 500
    assert sum(c["train"] for c in sheet["tools"].values()) == sheet["splits"]["train"]["calls"]
    assert all(len(examples) == 12 for examples in sheet["examples"].values())
    assert json.loads(json.dumps(sheet)) == sheet


def test_command_writes_items_tools_and_datasheet(tmp_path: Path, capsys) -> None:
    arguments = ["--out", str(tmp_path / "new"), "--num", "60", "--split", "test", "--seed", "4"]
    assert main(["corpus", "assistant-texts", *arguments]) == 0
    assert "60 items" in capsys.readouterr().out
    lines = (tmp_path / "new" / "items-test.jsonl").read_text(encoding="utf-8").splitlines()
    wanted = [item.to_json() for item in generate_assistant_items(60, "test", 4)]
    assert [json.loads(line) for line in lines] == json.loads(json.dumps(wanted))
    tools = json.loads((tmp_path / "new" / "tools.json").read_text(encoding="utf-8"))
    assert tools == list(ASSISTANT_TOOLS.values())
    sheet = json.loads((tmp_path / "new" / "datasheet-test.json").read_text(encoding="utf-8"))
    assert sheet == json.loads(json.dumps(assistant_datasheet({"test": 60}, 4)))
    assert (tmp_path / "new" / "datasheet-test.md").read_text(encoding="utf-8") == datasheet_page(sheet)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["assistant-texts", "--split", "validation"], "split = 'validation'"),
        (["assistant-texts", "--num", "-1"], "num = -1"),
        (["assistant-texts", "--flite-share", "0.5"], "--flite-share is no option of assistant-texts"),
        (["drills", "--split", "dev"], "--split is no option of drills"),
    ],
)
def test_command_refuses_what_does_not_fit(tmp_path: Path, capsys, arguments, message) -> None:
    assert main(["corpus", *arguments, "--out", str(tmp_path / "none")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
