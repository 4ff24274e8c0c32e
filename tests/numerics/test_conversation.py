"""A conversation hears sample by sample and answers as if it had been asked in one prompt."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.model.assistant import Assistant, Role, Turn
from omni_audio.model.conversation import Conversation
from omni_audio.model.events import Failed, FinishReason
from omni_audio.model.generate import Generator
from omni_audio.model.piece_decoder import Piece
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode


@pytest.fixture(scope="module")
def assistant(tiny_build) -> Assistant:
    return Assistant.load(tiny_build)


def sound(num_samples: int, seed: int = 0) -> torch.Tensor:
    """Tones that swell and sink, so that the codes of an untrained tokenizer change from frame to frame."""
    time_s = torch.arange(num_samples) / SAMPLE_RATE_HZ
    return torch.sin((700 + 97 * seed) * time_s) * torch.sin((9 + seed) * time_s)


def request(mode: Mode = Mode.REPLY_AUDIO, **more: object) -> GenerationRequest:
    facts = {"temperature": 1.0, "audio_temperature": 1.0, "max_text_tokens": 16, "max_frames": 12, **more}
    return GenerationRequest(mode=mode, **facts)


def values(pieces: list[Piece]) -> list[object]:
    sounds = [piece.pcm_S.tolist() for piece in pieces if piece.pcm_S is not None]
    return [[piece.text for piece in pieces], [piece.tool for piece in pieces], sounds, pieces[-1].reason]


@settings(max_examples=12, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 40000), max_size=6),
    num_samples=st.sampled_from([1, 1279, 1280, 9000, 8 * 1280, 40000]),
)
def test_sound_in_bits_is_the_whole_turn(assistant: Assistant, cuts: list[int], num_samples: int) -> None:
    """Also where a frame, an encoder chunk or the turn ends at a cut."""
    pcm_S = sound(num_samples)
    turns = [Turn(role=Role.SYSTEM, text="be kind"), Turn(role=Role.USER, pcm_S=pcm_S)]
    expected = list(assistant.stream(assistant.prompt(turns, Mode.REPLY_AUDIO), request()))
    conversation = Conversation(assistant, "be kind")
    places = sorted({0, num_samples, *(cut for cut in cuts if cut < num_samples)})
    for start, stop in pairwise(places):
        conversation.hear(pcm_S[start:stop])
    assert values(list(conversation.answer(request()))) == values(expected)


def test_turns_follow_each_other_without_end(assistant: Assistant) -> None:
    """Far beyond the window memory is where it was, and what was heard last is what the network sees."""
    told, seen = [], []
    for last_seed in (0, 0, 1):
        conversation = Conversation(assistant, "be kind", ["set_light"])
        cache = conversation.generator.cache
        places = (cache.keys.numbers.data_ptr(), cache.keys.numbers.shape)
        for turn in range(6):
            for seed in range(10):
                conversation.hear(sound(6400, seed))
            pieces = list(conversation.answer(request(seed=turn)))
            assert pieces[-1].reason in FinishReason
        assert int(cache.length_S[0]) > 4 * assistant.model.config.window
        assert (cache.keys.numbers.data_ptr(), cache.keys.numbers.shape) == places
        conversation.hear(sound(20000, seed=7 + last_seed))
        told.append(values(list(conversation.answer(request(seed=9)))))
        seen.append(conversation.generator._hidden_D[0])
    assert told[0] == told[1]
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_written_turns_tool_calls_and_results(assistant: Assistant) -> None:
    conversation = Conversation(assistant, tools=["set_light"])
    conversation.add(Turn(role=Role.USER, text="light"))
    needed = request(Mode.REPLY_TEXT, tools=True, tool_required=True, seed=2)
    pieces = list(conversation.answer(needed))
    assert pieces[0].starts_call
    prompt = assistant.prompt([Turn(role=Role.USER, text="light")], Mode.REPLY_TEXT, ["set_light"])
    assert values(pieces) == values(list(assistant.stream(prompt, needed)))
    conversation.add(Turn(role=Role.TOOL, text="done"))
    conversation.hear(sound(5000))
    conversation.add(Turn(role=Role.USER, text="and now?"))
    assert conversation.spoken is None
    assert list(conversation.answer(request(Mode.REPLY_TEXT)))


def test_several_conversations_share_the_steps(assistant: Assistant) -> None:
    alone = []
    for seed in range(3):
        conversation = Conversation(assistant, "be kind")
        conversation.hear(sound(9000, seed))
        alone.append(values(list(conversation.answer(request(seed=seed)))))
    generator = Generator(assistant.model, 3)
    shared = [Conversation(assistant, "be kind", generator=generator, slot=slot) for slot in range(3)]
    decoders = []
    for seed, conversation in enumerate(shared):
        conversation.hear(sound(9000, seed))
        decoders.append(conversation.ask(request(seed=seed)))
    pieces: list[list[Piece]] = [[], [], []]
    while generator.streams:
        for event in generator.step():
            pieces[event.slot].append(decoders[event.slot].push(event))
    assert [values(one) for one in pieces] == alone
    shared[1].close()
    assert generator.free_slots == [1]


def test_the_user_may_break_in(assistant: Assistant) -> None:
    conversation = Conversation(assistant)
    conversation.hear(sound(9000))
    answer = conversation.answer(request(Mode.TRANSCRIBE))
    next(answer)
    for act in (
        lambda: conversation.hear(sound(100)),
        lambda: conversation.ask(request()),
        lambda: conversation.add(Turn(role=Role.USER, text="hi")),
    ):
        with pytest.raises(ValueError, match="a conversation whose answer is over"):
            act()
    conversation.interrupt()
    assert list(answer) == []
    conversation.hear(sound(9000, 1))
    assert list(conversation.answer(request()))


def test_bad_input_is_named_and_the_conversation_goes_on(assistant: Assistant) -> None:
    conversation = Conversation(assistant)
    with pytest.raises(ValueError, match=r"pcm_S.dim\(\) = 2 is not allowed"):
        conversation.hear(sound(100)[None])
    with pytest.raises(ValueError, match=r"pcm_S.dtype = torch.int16 is not allowed"):
        conversation.hear(torch.zeros(100, dtype=torch.int16))
    with pytest.raises(ValueError, match="NaN or infinite samples"):
        conversation.hear(sound(2000) * float("nan"))
    with pytest.raises(ValueError, match="the spoken turn = 'empty' is not allowed"):
        conversation.ask(request())
    with pytest.raises(ValueError, match=r"turn.role = 'system' is not allowed"):
        conversation.add(Turn(role=Role.SYSTEM, text="be rude"))
    with pytest.raises(ValueError, match="no content"):
        conversation.add(Turn(role=Role.TOOL))
    conversation.hear(sound(2000))
    assert list(conversation.answer(request()))


def test_a_failed_answer_raises(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = Conversation(assistant)
    conversation.hear(sound(2000))
    answer = conversation.answer(request())
    next(answer)
    monkeypatch.setattr(conversation.generator, "step", lambda: [Failed(0, ValueError("no way on"))])
    with pytest.raises(ValueError, match="no way on"):
        next(answer)
