"""Several tool calls in one answer: each keeps to its form, the count bounds them, other streams do not notice."""

import json
from collections.abc import Callable

import jsonschema
import pytest
import torch
from drawn_streams import document, prefer, run, said_by

from omni_audio.data.corpora.commands_tools import TOOLS
from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.evaluation.suites import build_subject
from omni_audio.evaluation.suites.base import Request
from omni_audio.model.answers import Answer
from omni_audio.model.assistant import Assistant, Role, Turn
from omni_audio.model.events import Event, Finished, FinishReason, ToolToken
from omni_audio.model.generate import Generator
from omni_audio.model.piece_decoder import PieceDecoder
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.text import Special, TextTokenizer
from omni_audio.model.text_form import TextForms
from omni_audio.model.tool_text import tool_call_text
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer

PARAMETERS = {name: TOOLS[name]["parameters"] for name in ("set_volume", "set_light")}
CALLS = [tool_call_text("set_light", {"room": room}) for room in ("hall", "attic")]


@pytest.fixture(scope="module")
def asked(tiny_text: TextTokenizer, tiny_model: OmniModel) -> Callable[..., GenerationRequest]:
    form = TextForms(tiny_text, tiny_model.vocabulary.num_text).call(PARAMETERS)

    def make(**fields: object) -> GenerationRequest:
        facts: dict = {"mode": Mode.REPLY_TEXT, "tools": True, "tool_required": True, "call_form": form}
        return GenerationRequest(**{**facts, "max_calls": 4, "max_text_tokens": 1000, **fields})

    return make


@pytest.fixture
def calls_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network calls as often as it may."""
    prefer(Special.TOOL_CALL, monkeypatch)


def calls_in(events: list[Event], text: TextTokenizer) -> list[dict]:
    answer = Answer()
    for event in events:
        answer.push(event)
    return [json.loads(text.decode(ids)) for ids in answer.calls]


@pytest.mark.parametrize("mode", [Mode.REPLY_TEXT, Mode.REPLY_AUDIO])
@pytest.mark.parametrize("max_calls", [1, 2, 4])
def test_every_call_satisfies_the_tool_it_names(
    tiny_model: OmniModel,
    tiny_text: TextTokenizer,
    asked: Callable[..., GenerationRequest],
    calls_again: None,
    mode: Mode,
    max_calls: int,
) -> None:
    for num_frames in range(3):
        generator = Generator(tiny_model)
        prompt = document(tiny_model, tiny_text, 3 + num_frames, mode)
        generator.open(0, prompt, asked(mode=mode, max_calls=max_calls))
        events = run(generator, 0)
        assert events[-1] == Finished(0, FinishReason.TOOL_CALLS)
        assert all(isinstance(event, ToolToken) for event in events[:-1])
        calls = calls_in(events, tiny_text)
        assert len(calls) == max_calls
        for call in calls:
            jsonschema.validate(call["arguments"], PARAMETERS[call["name"]])


def test_the_network_need_not_call_again(
    tiny_model: OmniModel,
    tiny_text: TextTokenizer,
    asked: Callable[..., GenerationRequest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prefer(Special.END, monkeypatch)
    generator = Generator(tiny_model)
    generator.open(0, document(tiny_model, tiny_text, 5, Mode.REPLY_TEXT), asked())
    assert len(calls_in(run(generator, 0), tiny_text)) == 1


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_streams_with_several_calls_are_the_same_alone_and_among_others(
    tiny_model: OmniModel,
    tiny_text: TextTokenizer,
    asked: Callable[..., GenerationRequest],
    calls_again: None,
    temperature: float,
) -> None:
    free = {"tools": False, "tool_required": False, "call_form": None, "max_text_tokens": 40}
    requests = [
        asked(temperature=temperature, seed=5),
        asked(temperature=temperature, seed=5, max_calls=1),
        asked(temperature=temperature, seed=5, **free),
        asked(mode=Mode.REPLY_AUDIO, temperature=temperature, seed=6, **{**free, "max_frames": 20}),
    ]
    prompts = [document(tiny_model, tiny_text, 3 + i, request.mode) for i, request in enumerate(requests)]
    alone = []
    for prompt, request in zip(prompts, requests, strict=True):
        generator = Generator(tiny_model)
        generator.open(0, prompt, request)
        alone.append(said_by(run(generator, 0)))
    generator = Generator(tiny_model, 4)
    events: list[Event] = []
    for slot, (prompt, request) in enumerate(zip(prompts, requests, strict=True)):
        generator.open(slot, prompt, request)
        events += generator.step()
    while generator.streams:
        events += generator.step()
    for slot, wanted in enumerate(alone):
        assert said_by([event for event in events if event.slot == slot]) == wanted


def test_a_limit_in_the_middle_of_a_call(
    tiny_model: OmniModel,
    tiny_text: TextTokenizer,
    asked: Callable[..., GenerationRequest],
    calls_again: None,
) -> None:
    def told(**fields: object) -> list[Event]:
        generator = Generator(tiny_model)
        generator.open(0, document(tiny_model, tiny_text, 5, Mode.REPLY_TEXT), asked(**fields))
        return run(generator, 0)

    *whole, _ = told()
    second = [event.starts_call for event in whole if isinstance(event, ToolToken)].index(True, 1)
    for limit in (1, second - 1, second, second + 1):
        assert told(max_text_tokens=limit) == [*whole[:limit], Finished(0, FinishReason.LENGTH)]


def test_a_broken_letter_does_not_reach_into_the_next_call(
    tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer
) -> None:
    decoder = PieceDecoder(tiny_tokenizer, tiny_text)
    half, *_ = tiny_text.encode("\u00e9")
    (letter,) = tiny_text.encode("a")
    pieces = [decoder.push(ToolToken(0, token, True)) for token in (half, letter)]
    assert [piece.tool for piece in pieces] == ["", "a"]


@pytest.fixture
def assistant(tiny_tokenizer: AudioTokenizer, tiny_model: OmniModel, tiny_text: TextTokenizer) -> Assistant:
    return Assistant(tiny_tokenizer, tiny_model, tiny_text, {"name": "tiny"})


def test_a_reply_gives_each_call_for_itself(
    assistant: Assistant, asked: Callable[..., GenerationRequest], calls_again: None
) -> None:
    reply = assistant.reply([Turn(role=Role.USER, text="light")], asked(max_calls=3), list(PARAMETERS))
    assert reply.reason is FinishReason.TOOL_CALLS
    assert len(reply.tool_calls) == 3
    assert all(json.loads(call)["name"] in PARAMETERS for call in reply.tool_calls)


@pytest.mark.parametrize("is_learnt", [True, False])
def test_calls_and_results_stand_in_the_form_that_the_build_learnt(
    assistant: Assistant, is_learnt: bool
) -> None:
    assistant.card = {"name": "tiny", **({"parallel_calls": True} if is_learnt else {})}
    assert assistant.max_calls == (128 if is_learnt else 1)
    turns = [
        Turn(role=Role.USER, text="light"),
        Turn(role=Role.ASSISTANT, tool_calls=CALLS),
        *(Turn(role=Role.TOOL, text=text) for text in ("on", "off")),
        Turn(role=Role.ASSISTANT, text="done"),
    ]
    mode = Mode.REPLY_AUDIO
    builder = assistant.builder().user_text("light").assistant(mode).answer_tool_call(CALLS[0])
    if is_learnt:
        builder.answer_tool_call(CALLS[1]).end().tool_result("on").tool_result("off")
    else:
        builder.end().tool_result("on").assistant(mode).answer_tool_call(CALLS[1]).end().tool_result("off")
    builder.assistant(Mode.REPLY_TEXT).answer_text("done").end().assistant(mode)
    assert torch.equal(assistant.prompt(turns, mode).ids_T, builder.build().ids_T)


def test_a_result_without_text_is_refused(assistant: Assistant) -> None:
    turns = [Turn(role=Role.ASSISTANT, tool_calls=CALLS), Turn(role=Role.TOOL)]
    with pytest.raises(ValueError, match="role 'tool' has no content"):
        assistant.prompt(turns, Mode.REPLY_TEXT)


@pytest.mark.parametrize("is_learnt", [True, False])
def test_the_public_suites_take_as_many_calls_as_the_build_learnt(
    assistant: Assistant, calls_again: None, monkeypatch: pytest.MonkeyPatch, is_learnt: bool
) -> None:
    assistant.card = {"parallel_calls": is_learnt}
    monkeypatch.setattr(build_subject, "MAX_TEXT_TOKENS", 120)
    subject = build_subject.BuildSubject(AssistantSubject(assistant, []))
    (answer,) = subject.reply([Request(said="light", tools={"set_light": PARAMETERS["set_light"]})])
    assert json.loads(answer.raw_calls[0])["name"] == "set_light"
    assert (len(answer.raw_calls) > 1) == is_learnt
