"""The stack: cached, chunked, packed and padded passes agree; nobody sees the future; the ring goes round."""

import dataclasses
import math
from unittest import mock

import pytest
import torch
from drawn_streams import drawn_codes, new_builder
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_model_config

from omni_audio.model.attention import AttentionBackend, Places, attend, may_see, visible, visible_blocks
from omni_audio.model.depth import DepthConfig
from omni_audio.model.kv_cache import KVCache
from omni_audio.model.rotary import rotary_turns, rotate
from omni_audio.model.sequence import NO_CODE, LayoutConfig, Mode, SequenceBatch, TokenSequence, pack
from omni_audio.model.text import Special, TextTokenizer
from omni_audio.model.transformer import AudioInput, OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}
uncompiled = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


def document(model: OmniModel, text: TextTokenizer, num_frames: int = 20, seed: int = 0) -> TokenSequence:
    """System prompt, spoken request, spoken answer."""
    builder = new_builder(model, text)
    builder.system("be kind").user_audio(drawn_codes(model, num_frames, seed), "hello").assistant(
        Mode.REPLY_AUDIO
    )
    return builder.answer_speech("on it", drawn_codes(model, 12, seed + 1)).end().build()


def feed(
    model: OmniModel, cache: KVCache, sequence: TokenSequence, sizes: list[int], slot: int
) -> torch.Tensor:
    """Hidden states of the sequence, fed in pieces that keep encoder chunks whole."""
    pieces, start = [], 0
    for size in [*sizes, len(sequence)]:
        end = min(start + size, len(sequence))
        while (
            0 < end < len(sequence)
            and sequence.chunk_T[end] >= 0
            and sequence.chunk_T[end] == sequence.chunk_T[end - 1]
        ):
            end += 1
        if end > start:
            piece = slice(start, end)
            fields = (sequence.ids_T, sequence.codes_TK, sequence.chunk_T, sequence.pinned_T)
            states_BTS = sequence.states_TS[piece][None]
            pieces.append(
                model.advance(*(f[piece][None] for f in fields), cache, torch.tensor([slot]), states_BTS)
            )
            start = end
    return torch.cat(pieces, 1)


@uncompiled
def test_backends_agree_at_window_edges(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    batch = pack([[document(tiny_model, tiny_text, 90)]])
    places = Places(batch.position_BT, batch.document_BT, batch.chunk_BT, batch.pinned_BT)
    length = batch.ids_BT.shape[1]
    q, k, v = torch.randn(3, 1, 2, length, 16)
    for window in (1, 7, 8, 9, length - 1, length, length + 1):
        mask = visible(places, places, window)
        naive = attend(q, k, v, mask, AttentionBackend.NAIVE)
        torch.testing.assert_close(naive, attend(q, k, v, mask, AttentionBackend.SDPA), **TOLERANCE)
        blocks = visible_blocks(places, places, window)
        torch.testing.assert_close(naive, attend(q, k, v, blocks, AttentionBackend.FLEX), **TOLERANCE)


def as_flex(model: OmniModel) -> OmniModel:
    """The same network with the other backend."""
    flex = OmniModel(
        dataclasses.replace(model.config, attention=AttentionBackend.FLEX), model.tokenizer_config
    )
    flex.load_state_dict(model.state_dict())
    return flex.eval()


@uncompiled
@torch.no_grad()
def test_flex_is_the_same_network_packed_padded_and_streamed(
    tiny_model: OmniModel, tiny_text: TextTokenizer
) -> None:
    flex = as_flex(tiny_model)
    batch = pack(
        [
            [document(tiny_model, tiny_text, 9), document(tiny_model, tiny_text, 30)],
            [document(tiny_model, tiny_text)],
        ]
    )
    is_real = batch.document_BT >= 0
    torch.testing.assert_close(flex(batch)[is_real], tiny_model(batch)[is_real], **TOLERANCE)
    sequence = document(
        tiny_model, tiny_text, 150
    )  # past the window, where pinned keys get scores of their own
    sizes = [1, 40, 1, 1, 60]
    streamed = feed(flex, flex.empty_cache(2), sequence, sizes, 1)
    torch.testing.assert_close(
        streamed, feed(tiny_model, tiny_model.empty_cache(2), sequence, sizes, 1), **TOLERANCE
    )


def test_flex_does_not_train_without_a_gpu(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    with pytest.raises(ValueError, match=r"model\.attention = 'FLEX' .* Set model\.attention=SDPA"):
        as_flex(tiny_model).train().losses(pack([[document(tiny_model, tiny_text)]]))


def test_mask_says_what_the_design_says() -> None:
    position = torch.arange(8)[None]
    chunk = torch.tensor([[-1, 0, 0, 1, 1, -1, -1, -1]])
    pinned = torch.tensor([[True, False, False, False, False, False, False, False]])
    document = torch.tensor([[0, 0, 0, 0, 0, 0, 0, -1]])
    places = Places(position, document, chunk, pinned)
    mask = visible(places, places, window=3)[0]
    expected = [
        "10000000",
        "11100000",
        "11100000",
        "11111000",
        "10111000",
        "10011100",
        "10001110",
        "11111111",
    ]
    assert [[str(int(x)) for x in row] for row in mask[:7]] == [list(row) for row in expected[:7]]


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 30), max_size=8), num_frames=st.integers(1, 150), slot=st.integers(0, 2))
def test_cached_and_chunked_equal_full(
    tiny_model: OmniModel, tiny_text: TextTokenizer, sizes: list[int], num_frames: int, slot: int
) -> None:
    """Up to 150 frames against a window of 64: the ring goes round several times."""
    sequence = document(tiny_model, tiny_text, num_frames)
    full = tiny_model(pack([[sequence]]))
    streamed = feed(tiny_model, tiny_model.empty_cache(3), sequence, sizes, slot)
    torch.testing.assert_close(streamed, full, **TOLERANCE)


def test_packed_equals_apart_and_padded_equals_alone(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    first, second = document(tiny_model, tiny_text, 9), document(tiny_model, tiny_text, 30, seed=5)
    apart = [tiny_model(pack([[one]]))[0] for one in (first, second)]
    packed = tiny_model(pack([[first, second]]))[0]
    torch.testing.assert_close(packed, torch.cat(apart), **TOLERANCE)
    padded = tiny_model(pack([[first], [second]]))
    torch.testing.assert_close(padded[0, : len(first)], apart[0], **TOLERANCE)


def test_slots_do_not_touch_each_other(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    sequence = document(tiny_model, tiny_text)
    alone = feed(tiny_model, tiny_model.empty_cache(2), sequence, [], 0)
    cache = tiny_model.empty_cache(2)
    feed(tiny_model, cache, document(tiny_model, tiny_text, 80, seed=9), [5], 1)
    torch.testing.assert_close(feed(tiny_model, cache, sequence, [], 0), alone)
    cache.reset(1)
    torch.testing.assert_close(feed(tiny_model, cache, sequence, [], 1), alone)


def reached_by(model: OmniModel, batch: SequenceBatch) -> dict[str, torch.Tensor]:
    """Whether each real position's state (rows) has a gradient at each input position (columns), by kind of input.

    Inputs: the ids' embeddings and the states of every position; of frames the embeddings and the vectors of codes.
    """
    leaves = {"states": batch.states_BTS.clone().requires_grad_()}

    def leaf(name: str, tensor: torch.Tensor) -> torch.Tensor:
        leaves[name] = tensor.detach().requires_grad_()
        return leaves[name]

    handles = [
        model.embed.register_forward_hook(lambda _, __, output: leaf("ids", output)),
        model.frames.table.register_forward_hook(lambda _, __, output: leaf("codes", output)),
        model.frames.from_latent.register_forward_pre_hook(lambda _, given: leaf("latents", given[0])),
    ]
    try:
        hidden_BTD = model(dataclasses.replace(batch, states_BTS=leaves["states"]))
    finally:
        for handle in handles:
            handle.remove()
    weights_D = torch.randn(hidden_BTD.shape[-1], generator=torch.Generator().manual_seed(0))
    found: dict[str, list[torch.Tensor]] = {name: [] for name in leaves}
    for told in (hidden_BTD @ weights_D)[batch.document_BT >= 0]:
        gradients = torch.autograd.grad(told, list(leaves.values()), retain_graph=True)
        for name, gradient in zip(leaves, gradients, strict=True):
            by_position = gradient[0] if name in ("states", "ids") else gradient
            found[name].append(by_position.flatten(1).any(-1))
    return {name: torch.stack(rows) for name, rows in found.items()}


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("backend", [AttentionBackend.NAIVE, AttentionBackend.SDPA])
def test_gradient_reaches_what_may_be_seen_and_nothing_else(
    tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer, backend: AttentionBackend, num_layers: int
) -> None:
    """Two documents of a padded row, longer than window and pinned places; instructions go on behind the pinned."""
    torch.manual_seed(0)
    layout = LayoutConfig(encoder_chunk=5, pinned_positions=6)
    config = tiny_model_config(window=13, num_layers=num_layers, layout=layout, attention=backend)
    model = OmniModel(config, tiny_tokenizer.config).eval()
    model.load_codebooks(tiny_tokenizer)
    documents = [document(model, tiny_text, 17), document(model, tiny_text, 8, seed=3)]
    batch = pack([documents], length_multiple=sum(map(len, documents)) + 3)
    assert min(map(len, documents)) > config.num_places
    assert int(batch.pinned_BT.sum()) == 2 * layout.pinned_positions < int((batch.chunk_BT >= 0).sum())
    places = Places(batch.position_BT, batch.document_BT, batch.chunk_BT, batch.pinned_BT)
    may_TT = may_see(places.at(0, slice(None), None), places.at(0, None), config.window)
    reach_TT = torch.linalg.matrix_power(may_TT.float(), num_layers)[batch.document_BT[0] >= 0] > 0
    is_frame_T = (batch.codes_BTK[0] >= 0).all(-1)
    reached = reached_by(model, batch)
    for name, expected in (
        ("ids", reach_TT),
        ("states", reach_TT),
        ("codes", reach_TT[:, is_frame_T]),
        ("latents", reach_TT[:, is_frame_T]),
    ):
        wrong = (reached[name] != expected).nonzero().tolist()
        assert not wrong, f"{name}: (position, input) {wrong[:9]}"


def test_pinned_prompt_outlives_the_window(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    """The system prompt changes what is said long after it has left the window; an unpinned one does not."""
    sequence = document(tiny_model, tiny_text, 200)
    other = document(tiny_model, tiny_text, 200)
    other.ids_T[2] = other.ids_T[2] + 1
    for pinned, differs in ((True, True), (False, False)):
        if not pinned:
            sequence.pinned_T[1:] = False
            other.pinned_T[1:] = False
        shallow = OmniModel(tiny_model_config(num_layers=1), tiny_model.tokenizer_config).eval()
        last = [shallow(pack([[one]]))[0, -1] for one in (sequence, other)]
        assert (not torch.allclose(*last, atol=1e-7)) == differs


def test_rotary_depends_on_distance_only() -> None:
    q, k = torch.randn(2, 1, 1, 1, 16)
    scores = []
    for shift in (0, 5, 300):
        turned = [rotate(x, rotary_turns(torch.tensor([[p + shift]]), 16, 1e4)) for x, p in ((q, 9), (k, 2))]
        scores.append((turned[0] * turned[1]).sum())
    torch.testing.assert_close(torch.stack(scores), scores[0].expand(3), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", list(AudioInput))
def test_every_audio_input_hears_and_learns(
    kind: AudioInput, tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer
) -> None:
    model = OmniModel(tiny_model_config(audio_input=kind), tiny_tokenizer.config)
    model.load_codebooks(tiny_tokenizer)
    losses = model.losses(pack([[document(model, tiny_text)]]))
    (losses.text + losses.semantic + losses.acoustic + losses.hearing).backward()
    unused = [name for name, p in model.named_parameters() if p.grad is None]
    assert unused == []
    hidden = [model(pack([[document(model, tiny_text, 20, seed)]]))[0, -1] for seed in (0, 3)]
    assert not torch.allclose(*hidden)


def test_losses_count_only_what_the_assistant_says(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    sequence = document(tiny_model, tiny_text)
    targets = sequence.ids_T[sequence.target_T]
    assert int(sequence.target_T.sum()) == len(tiny_text.encode("on it")) + 12 + 2
    assert tiny_model.vocabulary.is_semantic(int(targets[-2]))
    untrained = tiny_model.losses(pack([[sequence]])).text.detach()
    assert abs(untrained - torch.tensor(float(tiny_model.vocabulary.size)).log()) < 1.0


def test_bad_feeding_is_named(tiny_model: OmniModel) -> None:
    cache = tiny_model.empty_cache(2)
    none = torch.zeros(1, 0, dtype=torch.long)
    codes = torch.zeros(1, 0, 4, dtype=torch.long)
    with pytest.raises(ValueError, match="at least one position"):
        tiny_model.advance(none, codes, none, none.bool(), cache, torch.tensor([0]))
    two = torch.ones(2, 1, dtype=torch.long)
    with pytest.raises(ValueError, match="different slots"):
        tiny_model.advance(two, -two[..., None].expand(2, 1, 4), -two, two < 0, cache, torch.tensor([1, 1]))


def test_rounded_shapes_change_no_loss(tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer) -> None:
    torch.manual_seed(2)
    model = OmniModel(tiny_model_config(), tiny_tokenizer.config)
    model.load_codebooks(tiny_tokenizer)
    rows = [[document(model, tiny_text, frames)] for frames in (9, 20, 14)]
    exact = model.eval().losses(pack(rows))
    rounded = model.train().losses(pack(rows, length_multiple=16, rows_multiple=4))
    for name in ("text", "semantic", "acoustic", "hearing"):
        torch.testing.assert_close(getattr(rounded, name), getattr(exact, name), **TOLERANCE)
    batch = pack(rows, length_multiple=16, rows_multiple=4)
    assert batch.ids_BT.shape[0] == 4
    assert batch.ids_BT.shape[1] % 16 == 0


def test_codebooks_weigh_less_the_finer_they_are(tiny_model: OmniModel) -> None:
    depth = tiny_model.depth
    num_codebooks, size = depth.num_codebooks, depth.codebook_size
    hidden_MD, semantic_MD = torch.randn(2, 5, tiny_model.config.width)
    codes_MK = torch.randint(size, (5, num_codebooks))
    counts_M = torch.tensor([True, True, False, True, True])
    with torch.no_grad():
        states_MKD = depth._states(hidden_MD, semantic_MD, codes_MK[:, :-1])
        logits_MKC = depth.logits(states_MKD, tiny_model.codebook_vectors)
        entropy_K = -logits_MKC.log_softmax(-1).gather(-1, codes_MK[..., None])[counts_M, :, 0].mean(0)
    for decay, weights_K in ((1.0, torch.ones(num_codebooks)), (0.5, 0.5 ** torch.arange(num_codebooks))):
        config = dataclasses.replace(depth.config, loss_decay=decay)
        with mock.patch.object(depth, "config", config):
            loss = depth.loss(hidden_MD, semantic_MD, codes_MK, counts_M, tiny_model.codebook_vectors)
            with torch.autocast("cpu", torch.bfloat16):
                rounded = depth.loss(hidden_MD, semantic_MD, codes_MK, counts_M, tiny_model.codebook_vectors)
        torch.testing.assert_close(loss, (entropy_K * weights_K).sum() / weights_K.sum())
        assert rounded.dtype is torch.float32
    with pytest.raises(ValueError, match=r"model.depth.loss_decay = 0.0"):
        DepthConfig(loss_decay=0.0)


def test_codes_that_share_a_digit_or_lie_near_share_weights(tiny_model: OmniModel) -> None:
    head, depth, vectors_KCV = tiny_model.head, tiny_model.depth, tiny_model.codebook_vectors
    levels = tiny_model.tokenizer_config.semantic.levels
    states_MD = torch.randn(3, tiny_model.config.width)
    with torch.no_grad():
        scores_ML = head.digits(states_MD)
        logits_MN = (head(states_MD) - head.linear(states_MD))[:, tiny_model.vocabulary.semantic_start :]
        for code in range(math.prod(levels)):
            rest, expected, start = code, torch.zeros(3), 0
            for level in levels:
                expected = expected + scores_ML[:, start + rest % level]
                rest, start = rest // level, start + level
            torch.testing.assert_close(logits_MN[:, code], expected)
        assert not (head(states_MD) - head.linear(states_MD))[:, : tiny_model.vocabulary.semantic_start].any()
        states_MKD = torch.randn(3, depth.num_codebooks, depth.config.width)
        own_MKC = depth.head_product(states_MKD, depth.heads)
        twin_KCV = vectors_KCV.clone()
        twin_KCV[:, 1] = twin_KCV[:, 0]
        asked_MKC = depth.logits(states_MKD, twin_KCV) - own_MKC
        torch.testing.assert_close(asked_MKC[..., 0], asked_MKC[..., 1])
        assert not torch.allclose(asked_MKC[..., 0], asked_MKC[..., 2])
        last_MC = depth.logits(states_MKD[:, -1:], vectors_KCV, depth.num_codebooks - 1)[:, 0]
        torch.testing.assert_close(last_MC, depth.logits(states_MKD, vectors_KCV)[:, -1])


def test_hidden_frames_are_those_of_spoken_answers_in_training(
    tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer
) -> None:
    torch.manual_seed(0)
    model = OmniModel(tiny_model_config(hide_frames=0.5), tiny_tokenizer.config).train()
    batch = pack([[document(model, tiny_text)], [document(model, tiny_text, seed=3)]] * 20)
    ids_BT, codes_BTK = model._partly_hidden(batch)
    changed_BT = ids_BT != batch.ids_BT
    answers_BT = batch.target_BT & (batch.codes_BTK[..., 0] >= 0)
    assert not (changed_BT & ~answers_BT).any()
    assert (ids_BT[changed_BT] == Special.HIDDEN).all()
    assert (codes_BTK[changed_BT] == NO_CODE).all()
    assert torch.equal(codes_BTK[~changed_BT], batch.codes_BTK[~changed_BT])
    shares_B = changed_BT.sum(1) / answers_BT.sum(1)
    assert 0.35 < float(shares_B.mean()) < 0.65
    assert shares_B.std() > 0.1, "each row has a share of its own"
    assert model.eval()._partly_hidden(batch)[0] is batch.ids_BT
    model.train().losses(batch).semantic.backward()
    assert bool(model.embed.weight.grad[Special.HIDDEN].any())
    with pytest.raises(ValueError, match=r"model.hide_frames = 0.6"):
        tiny_model_config(hide_frames=0.6)
