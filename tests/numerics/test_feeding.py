"""Prompts go in piece by piece with the same result; what cannot be fed is named, and other streams go on."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from drawn_streams import document, run, said_by
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_audio.checks import NotAllowedError
from omni_audio.model.events import Event, Failed, TextToken
from omni_audio.model.feeding import check_sequence, pieces
from omni_audio.model.generate import Generator
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, TokenSequence
from omni_audio.model.text import Special, TextTokenizer
from omni_audio.model.transformer import OmniModel

MODE = Mode.TRANSCRIBE


def asked(seed: int = 0) -> GenerationRequest:
    return GenerationRequest(mode=MODE, temperature=1.0, seed=seed, max_text_tokens=12)


@settings(max_examples=60, deadline=None)
@given(
    runs=st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=12),
    size=st.integers(1, 50),
)
def test_pieces_are_short_and_leave_chunks_whole(runs: list[tuple[bool, int]], size: int) -> None:
    chunks = [number if is_chunk else -1 for number, (is_chunk, n) in enumerate(runs) for _ in range(n)]
    length = len(chunks)
    ids = torch.arange(length)
    none = torch.full((length, 4), -1)
    sequence = TokenSequence(ids, none, none.float(), torch.tensor(chunks), ids < 0, ids < 0)
    parts = list(pieces(sequence, size))
    assert torch.equal(torch.cat([part.ids_T for part in parts]), ids)
    for part in parts:
        is_one_chunk = int(part.chunk_T[0]) >= 0 and len(part.chunk_T.unique()) == 1
        assert 0 < len(part) <= size or is_one_chunk
    for left, right in pairwise(parts):
        assert left.chunk_T[-1] < 0 or left.chunk_T[-1] != right.chunk_T[0]


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("num_frames", [5, 60, 250])
def test_pieces_end_where_one_pass_ends(
    tiny_model: OmniModel, tiny_text: TextTokenizer, num_frames: int, bidirectional: bool
) -> None:
    prompt = document(tiny_model, tiny_text, num_frames, MODE, bidirectional)
    hidden, said = [], []
    for size in (10**6, 100, 8, 1):
        generator = Generator(tiny_model, 1, prefill_positions=size)
        generator.open(0, prompt, asked())
        while generator.streams[0].unread:
            assert generator.step() == []
        hidden.append(generator._hidden_D[0])
        said.append(said_by(run(generator, 0)))
    for other in hidden[1:]:
        torch.testing.assert_close(other, hidden[0], atol=2e-5, rtol=1e-4)
    assert said[1:] == said[:1] * 3


def test_no_pass_is_longer_than_allowed_and_others_go_on(
    tiny_model: OmniModel, tiny_text: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = []
    advance = tiny_model.advance

    def counted(ids_BT: torch.Tensor, *others: object) -> torch.Tensor:
        lengths.append(ids_BT.shape[1])
        return advance(ids_BT, *others)

    monkeypatch.setattr(tiny_model, "advance", counted)
    generator = Generator(tiny_model, 2, prefill_positions=64)
    generator.open(0, document(tiny_model, tiny_text, 4, MODE), asked())
    generator.open(1, document(tiny_model, tiny_text, 400, MODE), asked())
    assert max(lengths) <= 64
    while generator.streams[1].unread:
        assert [type(event) for event in generator.step()] == [TextToken]
    assert max(lengths) <= 64
    assert 1 in {event.slot for event in generator.step()}


def changed(sequence: TokenSequence, **tensors: torch.Tensor) -> TokenSequence:
    return dataclasses.replace(sequence, **tensors)


def at(tensor: torch.Tensor, place: int, value: float) -> torch.Tensor:
    tensor = tensor.clone()
    tensor[place] = value
    return tensor


BAD = {
    "empty": ("ids_T", lambda s: s.part(0, 0)),
    "two rows": ("ids_T", lambda s: changed(s, ids_T=s.ids_T[None])),
    "dtype of ids": ("ids_T.dtype", lambda s: changed(s, ids_T=s.ids_T.int())),
    "dtype of states": ("states_TS.dtype", lambda s: changed(s, states_TS=s.states_TS.double())),
    "dtype of pinned": ("pinned_T.dtype", lambda s: changed(s, pinned_T=s.pinned_T.long())),
    "number of codebooks": ("codes_TK.shape", lambda s: changed(s, codes_TK=s.codes_TK[:, :3])),
    "length of chunks": ("chunk_T.shape", lambda s: changed(s, chunk_T=s.chunk_T[1:])),
    "id": ("ids_T", lambda s: changed(s, ids_T=at(s.ids_T, 1, 10**6))),
    "negative id": ("ids_T", lambda s: changed(s, ids_T=at(s.ids_T, 1, -1))),
    "code": ("codes_TK", lambda s: changed(s, codes_TK=at(s.codes_TK, -6, 16))),
    "codes without a frame": ("codes_TK", lambda s: changed(s, codes_TK=at(s.codes_TK, 0, 1))),
    "frame without codes": ("codes_TK", lambda s: changed(s, codes_TK=at(s.codes_TK, -6, -1))),
    "states": ("states_TS", lambda s: changed(s, states_TS=at(s.states_TS, -6, float("nan")))),
    "pinned behind the limit": ("pinned", lambda s: changed(s, pinned_T=at(s.pinned_T, 16, True))),
    "chunk": ("encoder chunk", lambda s: changed(s, chunk_T=torch.zeros_like(s.chunk_T))),
    "mode": ("last id", lambda s: changed(s, ids_T=at(s.ids_T, -1, Special.SAY))),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_prompts_are_named_and_other_streams_go_on(
    tiny_model: OmniModel, tiny_text: TextTokenizer, bad: str
) -> None:
    name, spoil = BAD[bad]
    good = document(tiny_model, tiny_text, 70, MODE)
    alone = Generator(tiny_model, 1)
    alone.open(0, good, asked())
    expected = said_by(run(alone, 0))
    generator = Generator(tiny_model, 2)
    generator.open(0, good, asked())
    events = generator.step()
    with pytest.raises(NotAllowedError) as caught:
        generator.open(1, spoil(good), asked())
    assert name in caught.value.name
    assert caught.value.allowed
    assert caught.value.remedy
    assert generator.free_slots == [1]
    assert said_by(events + run(generator, 0)) == expected


def test_pinning_counts_from_the_start_of_the_stream(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    prompt = document(tiny_model, tiny_text, 4, MODE)
    check_sequence(prompt, tiny_model)
    with pytest.raises(ValueError, match="pinned position"):
        check_sequence(prompt, tiny_model, num_fed=10)


class DeadEnd:
    """Stands in for a grammar that lets nothing follow."""

    def __init__(self, grammar: object) -> None:
        self.phase = grammar.phase

    def allow(self, mask_V: np.ndarray) -> None:
        """Leaves it as it is."""


def test_a_dead_end_ends_its_own_stream_only(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    prompt = document(tiny_model, tiny_text, 9, MODE)
    alone = Generator(tiny_model, 1)
    alone.open(0, prompt, asked())
    expected = said_by(run(alone, 0))
    generator = Generator(tiny_model, 3)
    for slot in range(3):
        generator.open(slot, prompt, asked())
    events = generator.step()
    generator.streams[0].grammar = DeadEnd(generator.streams[0].grammar)
    generator._hidden_D[2] = generator._hidden_D[2] * float("nan")
    more = generator.step()
    failed = {event.slot: event.error for event in more if isinstance(event, Failed)}
    assert failed.keys() == {0, 2}
    assert "slot 0, phase text, = 'nothing' is not allowed" in str(failed[0])
    assert "slot 2 = 'NaN or infinite' is not allowed" in str(failed[2])
    assert generator.free_slots == [0, 2]
    events = [event for event in events + more if event.slot == 1]
    assert said_by(events + run(generator, 1)) == expected
    generator.open(2, prompt, asked())
    assert said_by(run(generator, 2)) == expected


def test_a_depth_decoder_without_numbers_ends_its_own_stream_only(
    tiny_model: OmniModel, tiny_text: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = document(tiny_model, tiny_text, 9, Mode.REPLY_AUDIO)
    requests = [
        GenerationRequest(mode=Mode.REPLY_AUDIO, temperature=1.0, seed=s, max_text_tokens=8, max_frames=8)
        for s in range(3)
    ]
    expected = []
    for request in requests:
        alone = Generator(tiny_model, 1)
        alone.open(0, prompt, request)
        expected.append(said_by(run(alone, 0)))
    generator = Generator(tiny_model, 3)
    for slot, request in enumerate(requests):
        generator.open(slot, prompt, request)
    real = generator._frame_codes

    def spoilt(slots: list[int], ids: list[int], hidden_BD: torch.Tensor) -> tuple[torch.Tensor, list[bool]]:
        is_one = torch.tensor([slot == 1 for slot in slots])[:, None]
        return real(slots, ids, hidden_BD.masked_fill(is_one, float("nan")))

    monkeypatch.setattr(generator, "_frame_codes", spoilt)
    events: list[list[Event]] = [[], [], []]
    while generator.streams:
        for event in generator.step():
            events[event.slot].append(event)
    assert [said_by(events[slot]) for slot in (0, 2)] == [expected[0], expected[2]]
    last = events[1][-1]
    assert isinstance(last, Failed)
    assert "the acoustic logits of slot 1 = 'NaN or infinite' is not allowed" in str(last.error)
    assert said_by(events[1][:-1]) == expected[1][: len(events[1]) - 1], "its text, up to the first frame"
    assert generator.free_slots == [0, 1, 2]
    monkeypatch.undo()
    generator.open(1, prompt, requests[1])
    assert said_by(run(generator, 1)) == expected[1]


def test_a_script_of_other_ids_is_named(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    prompt = document(tiny_model, tiny_text, 3, Mode.SAY)
    for token in (int(Special.END), tiny_model.vocabulary.semantic_start, 10**6):
        with pytest.raises(ValueError, match=f"script = {token} is not allowed"):
            Generator(tiny_model).open(0, prompt, GenerationRequest(mode=Mode.SAY, script=[[token]]))
