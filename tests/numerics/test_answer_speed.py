"""Spoken answers at another speed: piece by piece what the whole gives, soon, in constant memory, the same words."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_audio.audio.time_stretch import (
    PIECE_SAMPLES,
    STRETCH_HOP_SAMPLES,
    TOLERANCE_SAMPLES,
    stretch_whole,
)
from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.model.assistant import Assistant, Reply, Role, Turn
from omni_audio.model.conversation import Conversation
from omni_audio.model.events import AudioFrame, Finished, FinishReason
from omni_audio.model.piece_decoder import Piece, PieceDecoder
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode

SPEEDS = (0.25, 0.5, 0.8, 1.25, 2.0, 4.0)
TURNS = [Turn(role=Role.USER, text="turn on the light")]


@pytest.fixture(scope="module")
def assistant(tiny_build) -> Assistant:
    return Assistant.load(tiny_build)


def request(speed: float) -> GenerationRequest:
    return GenerationRequest(mode=Mode.REPLY_AUDIO, max_frames=20, max_text_tokens=8, speed=speed)


def joined(pieces: list[Piece]) -> torch.Tensor:
    return torch.cat([piece.pcm_S for piece in pieces if piece.pcm_S is not None])


def facts(reply: Reply) -> tuple[object, ...]:
    return reply.text, reply.tool_calls, reply.reason, reply.num_frames


def decode(assistant: Assistant, codes_FK: torch.Tensor, speed: float) -> list[Piece]:
    """The pieces of one stream of frames."""
    decoder = PieceDecoder(assistant.tokenizer, assistant.text, speed)
    events = [*(AudioFrame(0, codes_K) for codes_K in codes_FK), Finished(0, FinishReason.STOP)]
    return [decoder.push(event) for event in events]


def drawn_frames(assistant: Assistant, num_frames: int, seed: int = 0) -> torch.Tensor:
    vq = assistant.model.tokenizer_config.vq
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vq.codebook_size, (num_frames, vq.num_codebooks), generator=generator)


@settings(max_examples=30, deadline=None)
@given(
    speed=st.one_of(st.floats(0.25, 4.0), st.sampled_from(SPEEDS)),
    num_frames=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_pieces_are_the_whole_sound_stretched(
    assistant: Assistant, speed: float, num_frames: int, seed: int
) -> None:
    codes_FK = drawn_frames(assistant, num_frames, seed)
    plain_S = joined(decode(assistant, codes_FK, 1.0))
    pieces = decode(assistant, codes_FK, speed)
    assert torch.equal(joined(pieces), stretch_whole(plain_S[None], speed)[0])
    assert sum(piece.num_frames for piece in pieces) == num_frames


@pytest.mark.parametrize("speed", SPEEDS)
def test_sound_waits_for_the_lookahead_only_and_memory_does_not_grow(
    assistant: Assistant, speed: float
) -> None:
    decoder = PieceDecoder(assistant.tokenizer, assistant.text, speed)
    lookahead = TOLERANCE_SAMPLES + PIECE_SAMPLES + STRETCH_HOP_SAMPLES
    overlap = assistant.tokenizer.config.vocoder.overlap_samples
    given, kept = 0, []
    for frame, codes_K in enumerate(drawn_frames(assistant, 60), start=1):
        piece = decoder.push(AudioFrame(0, codes_K))
        assert piece.pcm_S is not None
        given += len(piece.pcm_S)
        received = frame * FRAME_SAMPLES - overlap
        assert given > 0
        assert (received - lookahead) / speed - STRETCH_HOP_SAMPLES <= given <= received / speed
        kept.append(decoder.stretch_state.kept_BS.shape[1])
    assert max(kept) <= 4 * lookahead
    assert decoder.stretch_state.num_received > 20 * max(kept)


@pytest.mark.parametrize("speed", SPEEDS)
def test_an_answer_takes_its_time_and_says_the_same(assistant: Assistant, speed: float) -> None:
    plain, changed = (assistant.reply(TURNS, request(each)) for each in (1.0, speed))
    assert plain.pcm_S is not None
    assert changed.pcm_S is not None
    assert facts(changed) == facts(plain)
    assert len(changed.pcm_S) == pytest.approx(len(plain.pcm_S) / speed, rel=0.01)
    assert torch.equal(changed.pcm_S, stretch_whole(plain.pcm_S[None], speed)[0])
    said = assistant.say("light", max_frames=6, speed=speed)
    assert said.pcm_S is not None
    assert len(said.pcm_S) == round(said.num_frames * FRAME_SAMPLES / speed)


def test_speed_one_changes_no_sample(assistant: Assistant) -> None:
    codes_FK = drawn_frames(assistant, 9)
    state, parts = assistant.tokenizer.initial_decoder_state(), []
    for codes_K in codes_FK:
        pcm_BS, state = assistant.tokenizer.decode_stream(codes_K[None, None], state)
        parts.append(pcm_BS[0])
    parts.append(assistant.tokenizer.vocoder.flush(state)[0])
    pieces = decode(assistant, codes_FK, 1.0)
    assert all(torch.equal(piece.pcm_S, part) for piece, part in zip(pieces, parts, strict=True))


def test_answers_without_sound_stay_without_sound(assistant: Assistant) -> None:
    assert decode(assistant, drawn_frames(assistant, 0), 2.0)[-1].pcm_S is None


def test_an_answer_can_be_left_and_interrupted_at_any_speed(assistant: Assistant) -> None:
    prompt = assistant.prompt(TURNS, Mode.REPLY_AUDIO)
    whole = list(assistant.stream(prompt, request(0.5)))
    begun = list(itertools.islice(assistant.stream(prompt, request(0.5)), 8))
    assert torch.equal(joined(begun), joined(whole)[: len(joined(begun))])
    conversation = Conversation(assistant)
    conversation.add(TURNS[0])
    for piece in conversation.answer(request(0.5)):
        if piece.num_frames:
            conversation.interrupt()
    conversation.add(TURNS[0])
    assert list(conversation.answer(request(2.0)))[-1].reason in FinishReason


@pytest.mark.parametrize("speed", [0.0, -1.0, 0.24, 4.01, float("nan"), float("inf")])
def test_speeds_out_of_range_are_named(assistant: Assistant, speed: float) -> None:
    message = r"speed = .* is not allowed: expected 0\.25 to 4\.0"
    with pytest.raises(ValueError, match=message):
        request(speed)
    with pytest.raises(ValueError, match=message):
        assistant.say("light", speed=speed)
    with pytest.raises(ValueError, match=message):
        PieceDecoder(assistant.tokenizer, assistant.text, speed)
