"""Many streams through the vocoder in one pass: each sounds as alone, whoever begins, pauses or fails beside it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from omni_audio.audio.time_stretch import stretch_whole
from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.model.events import AudioFrame, Finished, FinishReason
from omni_audio.model.piece_decoder import PieceDecoder, decode_frames
from omni_audio.model.text import TextTokenizer
from omni_audio.tokenizer.joint_decoding import decode_together
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.tokenizer.vocoder import VocoderState

NUM_STREAMS = 5
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
END = Finished(0, FinishReason.STOP)


def drawn_codes(tokenizer: AudioTokenizer, num_frames: int, seed: int = 0) -> Tensor:
    """(F, K) codes of noise."""
    vq = tokenizer.config.vq
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vq.codebook_size, (num_frames, vq.num_codebooks), generator=generator)


def alone(tokenizer: AudioTokenizer, codes_FK: Tensor) -> Tensor:
    """The sound of one stream (S,), frame by frame."""
    state, parts = tokenizer.initial_decoder_state(), []
    for codes_K in codes_FK:
        pcm_BS, state = tokenizer.decode_stream(codes_K[None, None], state)
        parts.append(pcm_BS[0])
    return torch.cat([*parts, tokenizer.vocoder.flush(state)[0]])


def tensors(state: VocoderState) -> list[Tensor]:
    return [*state.frame_blocks.buffers, *state.blocks.buffers, state.tail_BS]


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.sets(st.integers(0, NUM_STREAMS - 1)), min_size=1, max_size=12))
def test_each_stream_sounds_as_alone(tiny_tokenizer: AudioTokenizer, steps: list[set[int]]) -> None:
    codes = [drawn_codes(tiny_tokenizer, len(steps), seed) for seed in range(NUM_STREAMS)]
    states = [tiny_tokenizer.initial_decoder_state() for _ in range(NUM_STREAMS)]
    parts: list[list[Tensor]] = [[] for _ in range(NUM_STREAMS)]
    for speaking in map(sorted, steps):
        frames = [codes[i][len(parts[i])] for i in speaking]
        made = decode_together(tiny_tokenizer, frames, [states[i] for i in speaking])
        for i, (pcm_BS, states[i]) in zip(speaking, made, strict=True):
            parts[i].append(pcm_BS[0])
    for i, own in enumerate(parts):
        if own:
            sound_S = torch.cat([*own, tiny_tokenizer.vocoder.flush(states[i])[0]])
            assert len(sound_S) == len(own) * FRAME_SAMPLES
            torch.testing.assert_close(sound_S, alone(tiny_tokenizer, codes[i][: len(own)]), **TOLERANCE)


def test_streams_of_any_speed_are_stretched_after_it(
    tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer
) -> None:
    speeds, num_frames = (1.0, 0.5, 1.3, 4.0), (7, 3, 9, 1)
    codes = [drawn_codes(tiny_tokenizer, frames, seed) for seed, frames in enumerate(num_frames)]
    decoders = [PieceDecoder(tiny_tokenizer, tiny_text, speed) for speed in speeds]
    parts: list[list[Tensor]] = [[] for _ in speeds]
    for frame in range(max(num_frames)):
        going = [i for i, frames in enumerate(num_frames) if frame < frames]
        spoken = [(decoders[i], AudioFrame(i, codes[i][frame])) for i in going]
        for i, (decoder, event), frame_BS in zip(going, spoken, decode_frames(spoken), strict=True):
            pieces = [decoder.push(event, frame_BS)]
            if frame == num_frames[i] - 1:
                pieces.append(decoder.push(END))
            parts[i] += [piece.pcm_S for piece in pieces if piece.pcm_S is not None]
    for own, codes_FK, speed in zip(parts, codes, speeds, strict=True):
        expected_BS = stretch_whole(alone(tiny_tokenizer, codes_FK)[None], speed)
        torch.testing.assert_close(torch.cat(own), expected_BS[0], **TOLERANCE)


def test_nothing_of_one_row_reaches_another(tiny_tokenizer: AudioTokenizer) -> None:
    codes = [drawn_codes(tiny_tokenizer, 2, seed) for seed in range(3)]
    states = [tiny_tokenizer.initial_decoder_state() for _ in codes]
    for tensor in tensors(states[1]):
        tensor.fill_(float("nan"))
    first = decode_together(tiny_tokenizer, [codes_FK[0] for codes_FK in codes], states)
    second = decode_together(
        tiny_tokenizer, [codes_FK[1] for codes_FK in codes], [state for _, state in first]
    )
    assert first[1][0].isnan().any()
    for i in (0, 2):
        sound_S = torch.cat([first[i][0][0], second[i][0][0]])
        torch.testing.assert_close(sound_S, alone(tiny_tokenizer, codes[i])[: len(sound_S)], **TOLERANCE)


def test_a_frame_that_fails_moves_no_stream(tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer) -> None:
    decoders = [PieceDecoder(tiny_tokenizer, tiny_text) for _ in range(2)]
    before = [decoder.vocoder_state for decoder in decoders]
    good_K = drawn_codes(tiny_tokenizer, 1)[0]
    bad_K = torch.full_like(good_K, tiny_tokenizer.config.vq.codebook_size)
    good, bad = AudioFrame(0, good_K), AudioFrame(1, bad_K)
    with pytest.raises(ValueError, match="codes = "):
        decode_frames([(decoders[0], good), (decoders[1], bad)])
    assert all(decoder.vocoder_state is state for decoder, state in zip(decoders, before, strict=True))
    with pytest.raises(ValueError, match="codes = "):
        decoders[1].push(bad)
    pcm_S = decoders[0].push(good).pcm_S
    assert pcm_S is not None
    assert torch.equal(pcm_S, alone(tiny_tokenizer, good_K[None])[: len(pcm_S)])


def test_what_cannot_be_joined_is_named(tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer) -> None:
    frame = AudioFrame(0, drawn_codes(tiny_tokenizer, 1)[0])
    decoder = PieceDecoder(tiny_tokenizer, tiny_text)
    with pytest.raises(ValueError, match="streams = 1 is not allowed: expected 2, one a frame"):
        decode_frames([(decoder, frame), (decoder, frame)])
    stranger = PieceDecoder(AudioTokenizer(tiny_tokenizer.config).eval(), tiny_text)
    with pytest.raises(ValueError, match="streams of another tokenizer = 1"):
        decode_frames([(decoder, frame), (stranger, frame)])
    with pytest.raises(ValueError, match="expected 1, one a stream"):
        decode_together(tiny_tokenizer, [frame.codes_K], [])
    assert decode_frames([]) == []


def test_memory_is_that_of_each_stream_alone(tiny_tokenizer: AudioTokenizer) -> None:
    states = [tiny_tokenizer.initial_decoder_state() for _ in range(NUM_STREAMS)]
    for codes_K in drawn_codes(tiny_tokenizer, 30):
        made = decode_together(tiny_tokenizer, [codes_K] * NUM_STREAMS, states)
        states = [state for _, state in made]
        for pcm_BS, state in made:
            assert pcm_BS.untyped_storage().nbytes() <= FRAME_SAMPLES * pcm_BS.element_size()
            assert all(t.untyped_storage().nbytes() == t.nbytes for t in tensors(state))
