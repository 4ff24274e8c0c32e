"""Drawn windows, prefixes, chunks and packings: packed documents are those apart, and cached passes the whole one."""

import copy
import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from drawn_streams import drawn_codes, new_builder
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_model_config
from torch import Tensor

from omni_audio.model.attention import AttentionBackend
from omni_audio.model.feeding import check_sequence, pieces
from omni_audio.model.sequence import LayoutConfig, Mode, TokenSequence, pack
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}
"""States are normalised: their numbers are about 1."""

uncompiled = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


@pytest.fixture(autouse=True, scope="module")
def _eager() -> Iterator[None]:
    """Uncompiled flex_attention compiles a wrapper all the same, and dynamo may trip over the drawn shapes' guards."""
    with torch.compiler.set_stance("force_eager"):
        yield


@dataclass(frozen=True, slots=True)
class Shape:
    """What masks depend on besides the documents."""

    window: int
    encoder_chunk: int
    pinned_positions: int


@dataclass(frozen=True, slots=True)
class Packing:
    """Lengths of documents that lie in one row, and where their seeds begin."""

    shape: Shape
    lengths: list[int]
    seed: int


@dataclass(frozen=True, slots=True)
class Stream:
    """One document, `extra` positions longer than what a cache holds, fed in pieces of at most `size`."""

    shape: Shape
    extra: int
    size: int
    seed: int


seeds = st.integers(0, 5)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Windows around and beyond the chunks, prefixes up to longer than the instructions."""
    window = draw(st.integers(2, 40))
    return Shape(window, draw(st.integers(1, min(window, 12))), draw(st.integers(1, 14)))


@st.composite
def packings(draw: st.DrawFn) -> Packing:
    """One to four documents, together at most four windows."""
    shape = draw(shapes())
    stops = sorted(draw(st.sets(st.integers(1, 4 * shape.window), min_size=1, max_size=4)))
    lengths = [stop - start for start, stop in itertools.pairwise([0, *stops])]
    return Packing(shape, lengths, draw(seeds))


@st.composite
def streams(draw: st.DrawFn, least_size: int = 1) -> Stream:
    """Up to two windows more than the cache has places, in pieces of at least this size."""
    shape = draw(shapes())
    return Stream(
        shape, draw(st.integers(1, 2 * shape.window)), draw(st.integers(least_size, 30)), draw(seeds)
    )


@pytest.fixture(scope="module")
def weights(tiny_tokenizer: AudioTokenizer) -> OmniModel:
    """The network whose weights all others take."""
    torch.manual_seed(1)
    model = OmniModel(tiny_model_config(width=32, mlp_width=32), tiny_tokenizer.config).eval()
    model.load_codebooks(tiny_tokenizer)
    return model


def network(weights: OmniModel, shape: Shape, backend: AttentionBackend) -> OmniModel:
    """The same weights with these masks."""
    layout = LayoutConfig(encoder_chunk=shape.encoder_chunk, pinned_positions=shape.pinned_positions)
    model = copy.deepcopy(weights)
    model.config = dataclasses.replace(weights.config, window=shape.window, layout=layout, attention=backend)
    for block in model.blocks:
        block.attention.backend = backend
    return model


def document(model: OmniModel, text: TextTokenizer, length: int, seed: int) -> TokenSequence:
    """Pinned instructions, then spoken requests and written answers: the first `length` positions of them."""
    builder = new_builder(model, text).system("be kind" if seed % 2 else "be")
    while len(builder.ids) < length:
        seed += 1
        builder.user_audio(drawn_codes(model, 3 + 5 * (seed % 3), seed)).assistant(Mode.REPLY_TEXT)
        builder.answer_text("on" * (1 + seed % 4)).end()
    made = builder.build().part(0, length)
    check_sequence(made, model)
    return made


def chunked(model: OmniModel, sequence: TokenSequence, size: int) -> Tensor:
    """States (T, D) of the sequence, fed to a cache in pieces of at most `size` positions."""
    cache, states = model.empty_cache(2), []
    for piece in pieces(sequence, size):
        fields = (piece.ids_T, piece.codes_TK, piece.chunk_T, piece.pinned_T)
        fed = model.advance(
            *(field[None] for field in fields), cache, torch.tensor([1]), piece.states_TS[None]
        )
        states.append(fed[0])
    return torch.cat(states)


@torch.no_grad()
def check_packing(
    weights: OmniModel, text: TextTokenizer, backend: AttentionBackend, packing: Packing
) -> None:
    """Asserts that packed documents have the states of those apart; a second row has the last alone, and padding."""
    model, naive = (network(weights, packing.shape, kind) for kind in (backend, AttentionBackend.NAIVE))
    documents = [document(model, text, length, packing.seed + i) for i, length in enumerate(packing.lengths)]
    assert all(bool(one.pinned_T[0]) for one in documents)
    apart = [model(pack([[one]]))[0] for one in documents]
    for states_TD, one in zip(apart, documents, strict=True):
        torch.testing.assert_close(states_TD, naive(pack([[one]]))[0], **TOLERANCE)
    packed_BTD = model(pack([documents, documents[-1:]]))
    torch.testing.assert_close(packed_BTD[0], torch.cat(apart), **TOLERANCE)
    torch.testing.assert_close(packed_BTD[1, : len(documents[-1])], apart[-1], **TOLERANCE)


@torch.no_grad()
def check_pieces(weights: OmniModel, text: TextTokenizer, backend: AttentionBackend, stream: Stream) -> None:
    """Asserts that a document longer than the cache has the same states whole and in pieces."""
    model = network(weights, stream.shape, backend)
    sequence = document(model, text, model.config.num_places + stream.extra, stream.seed)
    pieces_TD = chunked(model, sequence, stream.size)
    torch.testing.assert_close(pieces_TD, model(pack([[sequence]]))[0], **TOLERANCE)


@pytest.mark.parametrize("backend", [AttentionBackend.NAIVE, AttentionBackend.SDPA])
@settings(max_examples=25, deadline=None)
@given(packing=packings())
def test_packed_documents_are_those_apart(
    weights: OmniModel, tiny_text: TextTokenizer, backend: AttentionBackend, packing: Packing
) -> None:
    check_packing(weights, tiny_text, backend, packing)


@uncompiled
@settings(max_examples=6, deadline=None)
@given(packing=packings())
def test_packed_documents_are_those_apart_in_flex(
    weights: OmniModel, tiny_text: TextTokenizer, packing: Packing
) -> None:
    """Few examples: without a GPU a pass takes long."""
    check_packing(weights, tiny_text, AttentionBackend.FLEX, packing)


@pytest.mark.parametrize("backend", [AttentionBackend.NAIVE, AttentionBackend.SDPA])
@settings(max_examples=25, deadline=None)
@given(stream=streams())
def test_cached_pieces_are_the_whole_past_window_and_prefix(
    weights: OmniModel, tiny_text: TextTokenizer, backend: AttentionBackend, stream: Stream
) -> None:
    check_pieces(weights, tiny_text, backend, stream)


@uncompiled
@settings(max_examples=6, deadline=None)
@given(stream=streams(least_size=10))
def test_cached_pieces_are_the_whole_past_window_and_prefix_in_flex(
    weights: OmniModel, tiny_text: TextTokenizer, stream: Stream
) -> None:
    check_pieces(weights, tiny_text, AttentionBackend.FLEX, stream)


@uncompiled
@pytest.mark.parametrize("backend", list(AttentionBackend))
@torch.no_grad()
def test_these_comparisons_would_see_a_fault(
    weights: OmniModel, tiny_text: TextTokenizer, backend: AttentionBackend
) -> None:
    """Documents that see each other, a window or a chunk of one position more, a pinned position less."""
    shape = Shape(window=20, encoder_chunk=6, pinned_positions=5)
    model = network(weights, shape, backend)
    batch = pack([[document(model, tiny_text, 30, 1), document(model, tiny_text, 50, 2)]])
    right_TD = model(batch)[0]
    joined = dataclasses.replace(batch, document_BT=torch.zeros_like(batch.document_BT))
    fewer = dataclasses.replace(batch, pinned_BT=batch.pinned_BT & (batch.position_BT < 4))
    longer = dataclasses.replace(batch, chunk_BT=torch.where(batch.chunk_BT == 1, 0, batch.chunk_BT))
    wider = network(weights, dataclasses.replace(shape, window=21), backend)
    for wrong_TD in (model(joined)[0], model(fewer)[0], model(longer)[0], wider(batch)[0]):
        assert float((wrong_TD - right_TD).abs().max()) > 100 * TOLERANCE["rtol"]
