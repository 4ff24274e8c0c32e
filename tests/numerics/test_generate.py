"""Generation: grammar, determinism by seed, independence of slots, greedy equals the full pass."""

import itertools
import json
import re

import pytest
import torch
from drawn_streams import run, said_by

from omni_audio.model.assistant import Assistant, Role, Turn, WeightQuant
from omni_audio.model.events import AudioFrame, Finished, FinishReason, TextToken
from omni_audio.model.generate import Generator
from omni_audio.model.piece_decoder import PieceDecoder
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, pack
from omni_audio.model.text import NUM_SPECIAL, Special, TextTokenizer


@pytest.fixture(scope="module")
def assistant(tiny_build) -> Assistant:
    return Assistant.load(tiny_build)


def request(mode: Mode, **more: object) -> GenerationRequest:
    facts: dict = {"mode": mode, "temperature": 1.0, "audio_temperature": 1.0, "seed": 3}
    if mode is Mode.SAY:
        facts["script"] = [list(range(NUM_SPECIAL, NUM_SPECIAL + 3)), [NUM_SPECIAL + 4]]
    return GenerationRequest(**{**facts, "max_text_tokens": 30, "max_frames": 30, **more})


@pytest.fixture(scope="module")
def prompts(assistant: Assistant) -> dict[Mode, object]:
    turns = [Turn(role=Role.USER, pcm_S=torch.sin(torch.arange(9000) / 20))]
    return {mode: assistant.prompt(turns, mode, ["set_light"]) for mode in Mode}


@pytest.mark.parametrize("mode", list(Mode))
def test_a_stream_is_the_same_alone_and_among_others(assistant: Assistant, prompts: dict, mode: Mode) -> None:
    alone = Generator(assistant.model, 1)
    alone.open(0, prompts[mode], request(mode))
    expected = said_by(run(alone, 0))
    crowd = Generator(assistant.model, 4)
    for slot, other in enumerate([Mode.SAY, Mode.REPLY_AUDIO]):
        crowd.open(slot, prompts[other], request(other, seed=slot + 50))
    crowd.step()
    crowd.open(3, prompts[mode], request(mode))
    assert said_by(run(crowd, 3)) == expected
    again = Generator(assistant.model, 1)
    again.open(0, prompts[mode], request(mode, seed=4))
    assert said_by(run(again, 0)) != expected


@pytest.mark.parametrize("mode", list(Mode))
def test_a_stream_that_is_held_back_says_what_it_says_alone(
    assistant: Assistant, prompts: dict, mode: Mode
) -> None:
    alone = Generator(assistant.model, 1)
    alone.open(0, prompts[mode], request(mode))
    expected = said_by(run(alone, 0))
    generator = Generator(assistant.model, 3, prefill_positions=8)
    generator.open(0, prompts[Mode.SAY], request(Mode.SAY, seed=50))
    generator.open(2, prompts[mode], request(mode))
    events = [event for _ in range(4) for event in generator.step(held_back=[2])]
    assert {event.slot for event in events} <= {0}
    while 2 in generator.streams:
        events += generator.step()
        if 2 in generator.streams:
            assert not [event for event in generator.step(held_back={0, 2}) if event.slot in (0, 2)]
    assert said_by([event for event in events if event.slot == 2]) == expected


def test_prompts_wait_for_the_next_step_once_enough_was_read(assistant: Assistant, prompts: dict) -> None:
    generator = Generator(assistant.model, 3, prefill_positions=8)
    for slot in (2, 0, 1):
        generator.open(slot, prompts[Mode.REPLY_TEXT], request(Mode.REPLY_TEXT))
    num_unread = len(generator.streams[2].unread)
    assert num_unread > 1
    generator.step(read_s=0)
    assert [len(answer.unread) for answer in generator.streams.values()] == [
        num_unread - 1,
        *2 * [num_unread],
    ]
    generator.step()
    assert [len(answer.unread) for answer in generator.streams.values()] == [
        num_unread - 2,
        *2 * [num_unread - 1],
    ]


def test_only_slots_of_a_generator_are_held_back(assistant: Assistant, prompts: dict) -> None:
    generator = Generator(assistant.model, 2)
    generator.open(0, prompts[Mode.SAY], request(Mode.SAY))
    with pytest.raises(ValueError, match="slot = 2 is not allowed: expected 0 to 1"):
        generator.step(held_back=[0, 2])
    assert generator.step(held_back=iter([0, 1])) == []


def test_words_and_sounds_have_draws_of_their_own() -> None:
    asked = request(Mode.REPLY_AUDIO)
    uniforms = [
        torch.rand(8, generator=sampler.generator)
        for sampler in (asked.text_sampler(), asked.audio_sampler())
    ]
    assert not torch.allclose(uniforms[0], uniforms[1])
    again = request(Mode.REPLY_AUDIO).audio_sampler()
    assert torch.equal(torch.rand(8, generator=again.generator), uniforms[1])


def test_spoken_replies_interleave_as_the_format_says(assistant: Assistant, prompts: dict) -> None:
    generator = Generator(assistant.model, 1)
    generator.open(
        0, prompts[Mode.REPLY_AUDIO], request(Mode.REPLY_AUDIO, max_frames=200, max_text_tokens=200)
    )
    kinds = "".join({TextToken: "t", AudioFrame: "f"}.get(type(e), ".") for e in run(generator, 0))
    layout = assistant.model.config.layout
    n, m = layout.interleave_text_tokens, layout.interleave_frames
    assert re.fullmatch(f"(t{{{n}}}f{{{m}}})*t{{0,{n}}}f*[.]", kinds)
    assert "f" in kinds
    assert "f" in kinds


@pytest.mark.parametrize(("mode", "kind"), [(Mode.TRANSCRIBE, TextToken), (Mode.REPLY_TEXT, TextToken)])
def test_each_mode_gives_its_own_kind(assistant: Assistant, prompts: dict, mode: Mode, kind: type) -> None:
    generator = Generator(assistant.model, 1)
    generator.open(0, prompts[mode], request(mode))
    assert all(isinstance(event, kind | Finished) for event in run(generator, 0))


def test_a_script_is_spoken_to_its_end_word_by_word(assistant: Assistant) -> None:
    text = "the light\n is  on, turn it off"
    words = assistant.text.spell_words(text)
    for seed in range(3):
        prompt, request = assistant.ask_to_say(text, seed=seed, audio_temperature=1.0)
        generator = Generator(assistant.model, 1)
        generator.open(0, prompt, request)
        events = run(generator, 0)
        assert events[-1] == Finished(0, FinishReason.STOP)
        said = [event.id for event in events if isinstance(event, TextToken)]
        assert assistant.text.decode(said) == "the light is on, turn it off"
        frames_before = [0] * (len(said) + 1)
        for i, event in enumerate(events):
            letters = sum(isinstance(before, TextToken) for before in events[:i])
            frames_before[letters] += isinstance(event, AudioFrame)
        num_letters = list(itertools.accumulate(map(len, words)))
        groups = [frames_before[number] for number in num_letters[1:]]
        assert sum(groups) == sum(frames_before), "frames stand only behind whole words and one word more"
        caps = [assistant.model.config.layout.most_frames(word) for word in words]
        assert all(1 <= group <= cap for group, cap in zip(groups[:-1], caps[:-2], strict=True))
        assert 2 <= groups[-1] <= sum(caps[-2:]), "the last two words follow the last letters"
    with pytest.raises(ValueError, match="text = '  '"):
        assistant.say("  ")


def test_a_script_in_a_held_slot(assistant: Assistant) -> None:
    text = "the light is on"
    prompt, request = assistant.ask_to_say(text, audio_temperature=0.0)
    generator = Generator(assistant.model, 2)
    generator.open(1, prompt, request)
    alone = said_by(run(generator, 1))
    generator.listen(0, prompt)
    for expected in (alone, None):
        generator.answer(0, request)
        said = said_by(run(generator, 0))
        assert said[-1] is FinishReason.STOP
        assert expected is None or said == expected
        generator.listen(0, prompt.part(1))


def test_required_tools_are_called_and_unoffered_ones_never(assistant: Assistant) -> None:
    turns = [Turn(role=Role.USER, text="light")]
    for seed in range(5):
        required = request(Mode.REPLY_TEXT, tools=True, tool_required=True, seed=seed)
        assert len(assistant.reply(turns, required, ["set_light"]).tool_calls) == 1
        assert assistant.reply(turns, request(Mode.REPLY_TEXT, seed=seed)).tool_calls == []
    with pytest.raises(ValueError, match="Offer tools"):
        request(Mode.REPLY_TEXT, tool_required=True)


def test_greedy_steps_equal_the_full_pass(assistant: Assistant) -> None:
    prompt = assistant.prompt([Turn(role=Role.USER, text="hello")], Mode.TRANSCRIBE)
    generator = Generator(assistant.model, 1)
    generator.open(0, prompt, GenerationRequest(mode=Mode.TRANSCRIBE, max_text_tokens=6))
    chosen = [event.id for event in run(generator, 0) if isinstance(event, TextToken)]
    builder = assistant.builder().user_text("hello").assistant(Mode.TRANSCRIBE)
    builder._decoder(chosen)
    with torch.no_grad():
        logits = assistant.model.head(assistant.model(pack([[builder.build()]])))[0]
    vocabulary = assistant.model.vocabulary
    logits[:, [t for t in range(vocabulary.size) if not vocabulary.is_text(t) and t != Special.END]] = -1e9
    assert logits[len(prompt) - 1 : -1].argmax(-1).tolist()[: len(chosen)] == chosen


@pytest.mark.parametrize("mode", [Mode.REPLY_TEXT, Mode.REPLY_AUDIO])
def test_logprobs_are_those_of_the_full_pass_before_the_grammar(assistant: Assistant, mode: Mode) -> None:
    prompt = assistant.prompt([Turn(role=Role.USER, text="hello")], mode)
    settings = {"max_text_tokens": 9, "max_frames": 99, "temperature": 2.0, "top_p": 0.9}
    generator = Generator(assistant.model, 1)
    generator.open(0, prompt, request(mode, num_logprobs=3, **settings))
    events = run(generator, 0)
    said = [event for event in events if isinstance(event, TextToken)]
    assert len(said) >= 5
    vocabulary = assistant.model.vocabulary
    num_first = next((i for i, event in enumerate(events) if not isinstance(event, TextToken)), len(events))
    builder = assistant.builder().user_text("hello").assistant(mode)
    builder._decoder([event.id for event in said[:num_first]])
    with torch.no_grad():
        logits = assistant.model.head(assistant.model(pack([[builder.build()]])))[0]
    expected = logits.log_softmax(-1)[len(prompt) - 1 : -1]
    assert 1 <= num_first == len(expected)
    for event, logprobs_V in zip(said, expected, strict=False):
        assert event.logprobs is not None
        assert event.logprobs.logprob == pytest.approx(float(logprobs_V[event.id]), abs=1e-4)
        words_V = logprobs_V[vocabulary.text_start : vocabulary.semantic_start]
        ids = [token for token, _ in event.logprobs.top]
        values = [value for _, value in event.logprobs.top]
        assert values == pytest.approx(words_V.topk(3).values.tolist(), abs=1e-4)
        assert values == pytest.approx([float(logprobs_V[token]) for token in ids], abs=1e-4)
    plain = Generator(assistant.model, 1)
    plain.open(0, prompt, request(mode, **settings))
    without = run(plain, 0)
    assert said_by(without) == said_by(events)
    assert all(event.logprobs is None for event in without if isinstance(event, TextToken))


def test_length_limit_is_told(assistant: Assistant, prompts: dict) -> None:
    generator = Generator(assistant.model, 1)
    generator.open(0, prompts[Mode.SAY], request(Mode.SAY, max_frames=1))
    assert run(generator, 0)[-1] == Finished(0, FinishReason.LENGTH)


def test_busy_and_absent_slots_are_named(assistant: Assistant, prompts: dict) -> None:
    generator = Generator(assistant.model, 1)
    generator.open(0, prompts[Mode.SAY], request(Mode.SAY))
    with pytest.raises(ValueError, match="free slot"):
        generator.open(0, prompts[Mode.SAY], request(Mode.SAY))
    with pytest.raises(ValueError, match="0 to 0"):
        generator.open(1, prompts[Mode.SAY], request(Mode.SAY))
    generator.close(0)
    assert generator.free_slots == [0]
    assert generator.step() == []


def test_letters_split_over_ids_come_out_whole(tiny_tokenizer, tiny_text: TextTokenizer) -> None:
    ids = tiny_text.encode("é → 日本 <end>")
    decoder = PieceDecoder(tiny_tokenizer, tiny_text)
    pieces = [decoder.push(TextToken(0, token)).text for token in ids]
    assert "".join(pieces) == "é → 日本 <end>"
    assert "" in pieces
    assert all(token >= NUM_SPECIAL for token in ids)


def test_nf4_build_answers(tiny_build, assistant: Assistant) -> None:
    small = Assistant.load(tiny_build, WeightQuant.NF4)
    reply = small.reply([Turn(role=Role.USER, text="hi")], request(Mode.REPLY_AUDIO))
    assert reply.pcm_S is not None
    assert reply.pcm_S.shape[0] == reply.num_frames * 1280
    assert json.dumps(small.card)
