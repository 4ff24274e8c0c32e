"""Streams without end: the ring against whole passes, positions in range, the pinned start, answer after answer."""

import math

import pytest
import torch
from drawn_streams import document, drawn_codes, long_talk, new_builder, run, said_by
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_model_config

from omni_audio.model import kv_cache, transformer
from omni_audio.model.attention import Places, visible
from omni_audio.model.events import FinishReason, TextToken
from omni_audio.model.generate import Generator
from omni_audio.model.request import GenerationRequest
from omni_audio.model.rotary import rotary_turns, rotate
from omni_audio.model.sequence import LayoutConfig, Mode, SequenceBatch, TokenSequence, pack
from omni_audio.model.text import Special, TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer

TOLERANCE = {"atol": 3e-5, "rtol": 1e-4}
WINDOW, PINNED = 64, 16


def fed(model: OmniModel, sequence: TokenSequence, size: int) -> tuple[torch.Tensor, Generator]:
    """Hidden states (D,) after the sequence, fed in pieces of this size."""
    generator = Generator(model, 1, prefill_positions=size)
    generator.listen(0, sequence)
    return generator._hidden_D[0], generator


@torch.no_grad()
def slow_states(model: OmniModel, batch: SequenceBatch) -> torch.Tensor:
    """The stack written out: each pair of positions is turned by its own distance."""
    places = Places(batch.position_BT, batch.document_BT, batch.chunk_BT, batch.pinned_BT)
    mask = visible(places, places, model.config.window)[0]
    position, pinned = batch.position_BT[0], batch.pinned_BT[0]
    limit = model.config.layout.pinned_positions + model.config.window - 1
    seen_from = torch.where(pinned[None], position.clamp(max=limit)[:, None], position[:, None])
    turns = rotary_turns(seen_from - position[None], model.config.head_width, model.config.rotary_base)[:, 0]
    x = model.embed_positions(batch.ids_BT, batch.codes_BTK, batch.states_BTS)[0]
    for block in model.blocks:
        qkv = block.attention.qkv(block.attention_norm(x)).unflatten(-1, (3, model.config.num_heads, -1))
        q, k, v = qkv.unbind(1)
        mixed = []
        for head in range(model.config.num_heads):
            turned = rotate(q[:, head][:, None].expand(-1, len(position), -1), turns)
            scores = (turned * k[:, head][None]).sum(-1) / math.sqrt(model.config.head_width)
            mixed.append(scores.masked_fill(~mask, float("-inf")).softmax(-1) @ v[:, head])
        x = x + block.attention.out(torch.cat(mixed, -1))
        x = x + block.mlp(block.mlp_norm(x))
    return model.norm(x)


@pytest.mark.parametrize("backend", ["SDPA", "NAIVE"])
def test_distances_are_what_the_design_says(
    tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer, backend: str
) -> None:
    """In the window the true distance; to pinned keys never more than the places of the cache."""
    torch.manual_seed(5)
    model = OmniModel(tiny_model_config(), tiny_tokenizer.config).eval()
    for block in model.blocks:
        block.attention.backend = type(block.attention.backend)[backend]
    batch = pack([[long_talk(model, tiny_text, 5).build()]])
    assert batch.ids_BT.shape[1] > 3 * (WINDOW + PINNED)
    with torch.no_grad():
        torch.testing.assert_close(model(batch)[0], slow_states(model, batch), **TOLERANCE)


@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=3), num_turns=st.integers(3, 24))
def test_a_ring_that_went_round_many_times_equals_a_whole_pass(
    tiny_model: OmniModel, tiny_text: TextTokenizer, sizes: list[int], num_turns: int
) -> None:
    """Up to 1300 positions, 20 windows."""
    sequence = long_talk(tiny_model, tiny_text, num_turns).build()
    with torch.no_grad():
        whole = tiny_model(pack([[sequence]]))[0, -1]
    for size in sizes:
        torch.testing.assert_close(fed(tiny_model, sequence, size)[0], whole, **TOLERANCE)


def test_rotary_positions_stay_in_range(
    tiny_model: OmniModel, tiny_text: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    furthest = []

    def noted(position_BT: torch.Tensor, head_width: int, base: float) -> torch.Tensor:
        furthest.append(int(position_BT.abs().max()))
        return rotary_turns(position_BT, head_width, base)

    monkeypatch.setattr(transformer, "rotary_turns", noted)
    monkeypatch.setattr(kv_cache, "rotary_turns", noted)
    sequence = long_talk(tiny_model, tiny_text, 60).build()
    assert len(sequence) > 3000
    fed(tiny_model, sequence, size=16)
    assert max(furthest) < PINNED + 2 * WINDOW + 16


def test_a_year_later_the_stream_is_the_same(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    """Only numbers relative to the window count: a stream of 400 million positions computes to the same bits."""
    start, more = (
        long_talk(tiny_model, tiny_text, 6).build(),
        long_talk(tiny_model, tiny_text, 3).build().part(1),
    )
    more.pinned_T[:] = False
    hidden = []
    for years in (0, 1):
        _, generator = fed(tiny_model, start, 512)
        cache = generator.cache
        passed = years * (400_000_000 // WINDOW) * WINDOW
        cache.position_SL[:, PINNED:] += passed * (cache.position_SL[:, PINNED:] >= 0)
        cache.length_S += passed
        cache.origin_S += passed
        generator.listen(0, more)
        hidden.append(generator._hidden_D[0])
    assert torch.equal(*hidden)


@pytest.mark.parametrize("pinned_positions", [PINNED, 1])
def test_a_pinned_fact_is_attended_after_many_windows(
    tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer, pinned_positions: int
) -> None:
    """One id of the instructions changes the logits of the next id, and nothing changes with pinning off."""
    torch.manual_seed(3)
    layout = LayoutConfig(encoder_chunk=8, pinned_positions=pinned_positions)
    model = OmniModel(tiny_model_config(layout=layout), tiny_tokenizer.config).eval()
    logits = []
    for change in (0, 1):
        sequence = long_talk(model, tiny_text, 12).build()
        sequence.ids_T[4] += change
        assert bool(sequence.pinned_T[4]) == (pinned_positions > 1)
        assert len(sequence) > (model.config.num_layers + 6) * WINDOW
        hidden, generator = fed(model, sequence, 64)
        logits.append(model.head(hidden).detach())
        kept = generator.cache.position_SL[0, :pinned_positions].tolist()
        assert kept[: int(sequence.pinned_T.sum())] == list(range(int(sequence.pinned_T.sum())))
    if pinned_positions > 1:
        assert float((logits[0] - logits[1]).abs().max()) > 1e-4
    else:
        assert torch.equal(*logits)


def test_what_is_pinned_does_not_change(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    builder = new_builder(tiny_model, tiny_text).system("be kind")
    _, generator = fed(tiny_model, builder.build(), 512)
    before = [
        part.numbers[:, :, :, :PINNED].clone() for part in (generator.cache.keys, generator.cache.values)
    ]
    generator.listen(0, long_talk(tiny_model, tiny_text, 30).build().part(len(builder.build())))
    after = [part.numbers[:, :, :, :PINNED] for part in (generator.cache.keys, generator.cache.values)]
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


def segment(model: OmniModel, text: TextTokenizer, seed: int, mode: Mode) -> TokenSequence:
    """A further spoken request of an endless stream."""
    builder = new_builder(model, text).user_audio(drawn_codes(model, 30, seed)).assistant(mode)
    return builder.build().part(1)


@torch.no_grad()
def test_answers_again_and_again_equal_whole_passes(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    """Greedy answers over seven windows; each id is the best one of a whole pass over all before it."""
    mode, generator = Mode.TRANSCRIBE, Generator(tiny_model, 2)
    generator.listen(1, new_builder(tiny_model, tiny_text).system("be kind").build())
    whole = new_builder(tiny_model, tiny_text).system("be kind")
    reasons, answers = [], []
    for turn in range(12):
        generator.listen(1, segment(tiny_model, tiny_text, turn, mode))
        generator.answer(1, GenerationRequest(mode=mode, max_text_tokens=5))
        events = run(generator, 1)
        reasons.append(events[-1].reason)
        chosen = [event.id for event in events if isinstance(event, TextToken)]
        whole.user_audio(drawn_codes(tiny_model, 30, turn)).assistant(mode)
        start = len(whole.ids)
        whole._decoder([*chosen, Special.END])
        answers.append((start, chosen if reasons[-1] is FinishReason.LENGTH else [*chosen, Special.END]))
        assert generator.free_slots == [0]
    sequence = whole.build()
    assert len(sequence) > 7 * WINDOW
    assert int(generator.cache.length_S[1]) == len(sequence)
    logits = tiny_model.head(tiny_model(pack([[sequence]])))[0]
    words = slice(tiny_model.vocabulary.text_start, tiny_model.vocabulary.semantic_start)
    allowed = torch.full((logits.shape[1],), float("-inf"))
    allowed[words] = allowed[Special.END] = 0
    for start, chosen in answers:
        best = (logits[start - 1 : start - 1 + len(chosen)] + allowed).argmax(-1)
        assert best.tolist() == chosen


@pytest.mark.parametrize("mode", [Mode.REPLY_TEXT, Mode.REPLY_AUDIO])
def test_an_endless_stream_is_the_same_beside_others(
    tiny_model: OmniModel, tiny_text: TextTokenizer, mode: Mode
) -> None:
    def talk(generator: Generator, slot: int) -> list[object]:
        generator.listen(slot, new_builder(tiny_model, tiny_text).system("be kind").build())
        said = []
        for turn in range(8):
            generator.listen(slot, segment(tiny_model, tiny_text, turn, mode))
            generator.answer(
                slot,
                GenerationRequest(mode=mode, temperature=1.0, seed=turn, max_text_tokens=9, max_frames=9),
            )
            said += said_by(run(generator, slot))
        return said

    alone = talk(Generator(tiny_model, 1), 0)
    shared = Generator(tiny_model, 3)
    for slot in (0, 1):
        prompt = document(tiny_model, tiny_text, 50 + 100 * slot, Mode.REPLY_AUDIO)
        shared.open(
            slot,
            prompt,
            GenerationRequest(mode=Mode.REPLY_AUDIO, temperature=1.0, max_text_tokens=300, max_frames=300),
        )
    assert talk(shared, 2) == alone


def test_held_slots_are_guarded(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    mode = Mode.REPLY_TEXT
    generator = Generator(tiny_model, 2)
    start = new_builder(tiny_model, tiny_text).system("be kind").build()
    request = GenerationRequest(mode=mode, max_text_tokens=50, temperature=1.0)
    with pytest.raises(ValueError, match=r"slot = 0 is not allowed: expected a held slot"):
        generator.answer(0, request)
    with pytest.raises(ValueError, match=r"first id for slot 0 = 3 .*<bos> = 1.*Begin the stream"):
        generator.listen(0, segment(tiny_model, tiny_text, 0, mode))
    generator.listen(0, start)
    with pytest.raises(ValueError, match=r"first id for slot 0 = 1 .*Close the slot before a new stream"):
        generator.listen(0, start)
    with pytest.raises(ValueError, match=r"free slot.*Close the stream"):
        generator.open(0, document(tiny_model, tiny_text, 3, mode), request)
    with pytest.raises(ValueError, match=r"last id of the prompt = 6 .*<REPLY_TEXT> = 10"):
        generator.answer(0, request)
    with pytest.raises(ValueError, match=r"0 to 1"):
        generator.listen(2, start)
    generator.listen(0, segment(tiny_model, tiny_text, 0, mode))
    generator.answer(0, request)
    for act in (lambda: generator.listen(0, start), lambda: generator.answer(0, request)):
        with pytest.raises(ValueError, match="a slot that is not answering"):
            act()
    assert generator.free_slots == [1]
    generator.close(0)
    assert generator.free_slots == [0, 1]
    generator.listen(0, start)


def test_an_interrupted_stream_listens_again(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    mode = Mode.REPLY_TEXT
    generator = Generator(tiny_model, 1)
    generator.listen(0, new_builder(tiny_model, tiny_text).build())
    generator.interrupt(0)
    assert int(generator.cache.length_S[0]) == 1
    generator.listen(0, segment(tiny_model, tiny_text, 0, mode))
    generator.answer(0, GenerationRequest(mode=mode, max_text_tokens=50, temperature=1.0, seed=1))
    said = said_by(generator.step() + generator.step())
    generator.interrupt(0)
    assert generator.step() == []
    whole = new_builder(tiny_model, tiny_text).user_audio(drawn_codes(tiny_model, 30, 0)).assistant(mode)
    whole._decoder([*said, Special.END])
    with torch.no_grad():
        expected = tiny_model(pack([[whole.build()]]))[0, -1]
    torch.testing.assert_close(generator._hidden_D[0], expected, **TOLERANCE)
    generator.listen(0, segment(tiny_model, tiny_text, 1, mode))


def test_a_used_slot_keeps_nothing(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    """Not even what was broken: NaN behind a mask would spoil the next stream."""
    prompt = document(tiny_model, tiny_text, 20, Mode.TRANSCRIBE)
    request = GenerationRequest(mode=Mode.TRANSCRIBE, max_text_tokens=8)
    generator = Generator(tiny_model, 1)
    generator.open(0, prompt, request)
    expected = said_by(run(generator, 0))
    generator.cache.keys.numbers.fill_(float("nan"))
    generator.cache.values.numbers.fill_(float("nan"))
    generator.open(0, prompt, request)
    assert said_by(run(generator, 0)) == expected
