"""The 8-bit cache: near to the full one, a quarter of its memory, and nothing of an earlier stream left in it."""

import torch
from drawn_streams import long_talk, new_builder
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_audio.model.generate import Generator
from omni_audio.model.kv_store import Int8Store, KVFormat
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel


def int8_store(layers: int = 2, slots: int = 3, heads: int = 2, places: int = 5, width: int = 8) -> Int8Store:
    store = KVFormat.int8.empty((layers, slots, heads, places, width), None)
    assert isinstance(store, Int8Store)
    return store


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6), scale=st.sampled_from([0.0, 1e-12, 1e-3, 1.0, 3e4]), slot=st.integers(0, 2)
)
def test_what_is_read_is_what_was_written_to_half_a_step(seed: int, scale: float, slot: int) -> None:
    layer = int8_store().layers()[1]
    drawn = torch.Generator().manual_seed(seed)
    vectors_JH = scale * torch.randn(2, 8, generator=drawn)
    layer.write(torch.tensor([(slot * 2 + 1) * 5 + 4, slot * 2 * 5]), vectors_JH)
    read_NLH = layer.read(slice(slot, slot + 1), 5)[0]
    for number, (head, place) in enumerate(((1, 4), (0, 0))):
        step = vectors_JH[number].abs().amax() / 127
        assert ((read_NLH[head, place] - vectors_JH[number]).abs() <= 0.501 * step + 1e-20).all()
    assert int((read_NLH != 0).any(-1).sum()) <= 2


def test_layers_share_the_memory_of_the_whole_and_clearing_leaves_nothing() -> None:
    store = int8_store()
    store.layers()[1].write(torch.tensor([(2 * 2 + 1) * 5 + 3]), torch.ones(1, 8))
    assert (store.numbers[1, 2, 1, 3] == 127).all()
    assert (store.numbers[0] == 0).all()
    store.scales.fill_(float("nan"))
    store.clear(2)
    assert (store.layers()[1].read(slice(2, 3), 5) == 0).all()


def test_it_takes_less_than_a_third_of_the_memory(tiny_model: OmniModel) -> None:
    """A head of the tiny network has 16 numbers and a scale: 20 bytes instead of 64."""
    full, small = (tiny_model.empty_cache(2, kv_format) for kv_format in KVFormat)
    assert small.keys.num_bytes + small.values.num_bytes < (full.keys.num_bytes + full.values.num_bytes) / 3
    assert full.num_bytes - small.num_bytes == 2 * (full.keys.num_bytes - small.keys.num_bytes)


@torch.no_grad()
def test_an_endless_stream_hears_the_same_to_rounding(
    tiny_model: OmniModel, tiny_text: TextTokenizer
) -> None:
    """The ring goes round many times, and its keys are turned back and rounded again in each window."""
    sequence = long_talk(tiny_model, tiny_text, 300).build()
    heard = {}
    for kv_format in KVFormat:
        generator = Generator(tiny_model, 1, 64, kv_format)
        generator.listen(0, sequence)
        assert int(generator.cache.origin_S[0]) > 0
        heard[kv_format] = generator._hidden_D[0]
    error = (heard[KVFormat.int8] - heard[KVFormat.float32]).norm() / heard[KVFormat.float32].norm()
    assert 0 < error < 0.02


def test_a_pinned_prompt_stays_as_it_was_rounded(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    builder = new_builder(tiny_model, tiny_text).system("be kind")
    generator = Generator(tiny_model, 1, 512, KVFormat.int8)
    generator.listen(0, builder.build())
    pinned = slice(0, generator.cache.num_pinned_places)
    before = generator.cache.keys.numbers[:, :, :, pinned].clone()
    generator.listen(0, long_talk(tiny_model, tiny_text, 100).build().part(len(builder.build())))
    assert torch.equal(generator.cache.keys.numbers[:, :, :, pinned], before)
