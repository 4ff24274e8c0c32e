"""Adapters: nothing changes before training, only they learn, merged equals beside, files fit one base; NF4 too."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from drawn_streams import drawn_codes, new_builder, run
from safetensors.torch import load_file, save_file
from tiny import tiny_model_config
from torch import Tensor, nn

from omni_audio.model.build import load_model, save_build
from omni_audio.model.events import TextToken
from omni_audio.model.generate import Generator
from omni_audio.model.lora import (
    PRODUCTS,
    LoraConfig,
    add_lora,
    fold_lora,
    lora_layers,
    merge_lora,
    unmerge_lora,
)
from omni_audio.model.lora_file import base_fingerprint, load_lora, save_lora
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, SequenceBatch, pack
from omni_audio.model.text import Special, TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.weight_quant.int4 import pack_model
from omni_audio.weight_quant.nf4 import NF4Config, dequantized, quantize_model

ALL = {"blocks": True, "depth": True, "head": True, "hearing": True, "frames": True}
NEAR = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture
def model(tiny_tokenizer: AudioTokenizer) -> OmniModel:
    torch.manual_seed(3)
    model = OmniModel(tiny_model_config(), tiny_tokenizer.config).eval()
    model.load_codebooks(tiny_tokenizer)
    return model


@pytest.fixture
def nf4_model(model: OmniModel) -> OmniModel:
    quantize_model(model, NF4Config())
    return model


@pytest.fixture
def batch(model: OmniModel, tiny_text: TextTokenizer) -> SequenceBatch:
    """A spoken request with its words, and a spoken answer: every part of the network has something to do."""
    builder = new_builder(model, tiny_text)
    builder.system("be kind").user_audio(drawn_codes(model, 20), "hello").assistant(Mode.REPLY_AUDIO)
    return pack([[builder.answer_speech("on it", drawn_codes(model, 12, 1)).end().build()]])


def total(model: OmniModel, batch: SequenceBatch) -> Tensor:
    losses = model.losses(batch)
    return losses.text + losses.semantic + losses.acoustic + losses.hearing


def all_outputs(model: OmniModel, batch: SequenceBatch) -> Tensor:
    """Every number that a user or a training could see."""
    with torch.no_grad():
        hidden_BTD = model(batch)
        losses = model.losses(batch)
        parts = [hidden_BTD, model.head(hidden_BTD), losses.acoustic, losses.hearing]
    return torch.cat([part.flatten() for part in parts])


def draw_b(model: OmniModel, seed: int = 0) -> None:
    """Adapters as after some training: B is no longer zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in lora_layers(model).values():
            layer.lora_b.copy_(0.05 * torch.randn(layer.lora_b.shape, generator=generator))


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize("packed", [False, True])
def test_nothing_changes_before_training(model: OmniModel, batch: SequenceBatch, packed: bool) -> None:
    if packed:
        quantize_model(model, NF4Config())
    before = all_outputs(model, batch)
    names = add_lora(model, LoraConfig(**ALL))
    assert torch.equal(all_outputs(model, batch), before)
    linears = {name.removesuffix(".base") for name, m in model.named_modules() if isinstance(m, nn.Linear)}
    assert "head.digits" in linears
    assert set(names) == linears | set(PRODUCTS)
    draw_b(model)
    assert not torch.allclose(all_outputs(model, batch), before, atol=1e-3)


def test_parts_are_those_of_the_config(model: OmniModel) -> None:
    names = add_lora(model, LoraConfig(rank=2))
    assert {name.split(".")[0] for name in names} == {"blocks", "depth", "head"}
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    linears = [m.base for m in lora_layers(model).values() if isinstance(m.base, nn.Linear)]
    expected = sum(2 * (linear.in_features + linear.out_features) for linear in linears)
    for matrices in (model.depth.heads, model.depth.asked_vectors):
        expected += 2 * matrices.shape[0] * (matrices.shape[1] + matrices.shape[2])
    assert trained == expected


@pytest.mark.parametrize("packed", [False, True])
def test_only_adapters_learn_and_all_of_them(model: OmniModel, batch: SequenceBatch, packed: bool) -> None:
    if packed:
        quantize_model(model, NF4Config())
    names = add_lora(model.train(), LoraConfig(**ALL))
    before = base_fingerprint(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    total(model, batch).backward()
    assert all(not bool(layer.lora_a.grad.any()) for layer in lora_layers(model).values())
    optimizer.step()
    optimizer.zero_grad()
    total(model, batch).backward()
    learning = {name for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert learning == {f"{name}.{kind}" for name in names for kind in ("lora_a", "lora_b")}
    for name in PRODUCTS:
        product = lora_layers(model)[name]
        for parameter in (product.lora_a, product.lora_b):
            assert bool(parameter.grad.flatten(1).any(1).all()), "each codebook's"
    optimizer.step()
    assert base_fingerprint(model) == before


@pytest.mark.parametrize("packed", [False, True])
def test_loss_falls_on_one_batch(model: OmniModel, batch: SequenceBatch, packed: bool) -> None:
    if packed:
        quantize_model(model, NF4Config())
    add_lora(model.train(), LoraConfig(dropout=0.05))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    values = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = total(model, batch)
        loss.backward()
        optimizer.step()
        values.append(loss.detach().item())
    assert values[-1] < 0.8 * values[0]


def test_dropout_is_of_training_only(model: OmniModel, batch: SequenceBatch) -> None:
    add_lora(model, LoraConfig(dropout=0.5))
    draw_b(model)
    assert torch.equal(all_outputs(model, batch), all_outputs(model, batch))
    model.train()
    assert not torch.equal(all_outputs(model, batch), all_outputs(model, batch))


def test_merged_equals_beside_and_unmerged_is_the_base(model: OmniModel, batch: SequenceBatch) -> None:
    base, fingerprint = all_outputs(model, batch), base_fingerprint(model)
    add_lora(model, LoraConfig(rank=4, alpha=12, **ALL))
    draw_b(model)
    beside, before = all_outputs(model, batch), state(model)
    assert not torch.allclose(beside, base, atol=1e-3)
    for _ in range(3):
        merge_lora(model)
        torch.testing.assert_close(all_outputs(model, batch), beside, **NEAR)
        for name in PRODUCTS.values():
            assert not torch.equal(model.get_parameter(name), before[name])
        assert base_fingerprint(model) == fingerprint
        unmerge_lora(model)
        assert_same(state(model), before)
    assert torch.equal(all_outputs(model, batch), beside)


@pytest.mark.parametrize("is_merged", [False, True])
def test_folded_is_a_plain_model(
    model: OmniModel,
    batch: SequenceBatch,
    is_merged: bool,
    tmp_path: Path,
    tiny_tokenizer: AudioTokenizer,
    tiny_text: TextTokenizer,
) -> None:
    names = set(state(model))
    add_lora(model, LoraConfig(**ALL))
    draw_b(model)
    beside = all_outputs(model, batch)
    if is_merged:
        merge_lora(model)
    fold_lora(model)
    assert set(state(model)) == names
    assert all(parameter.requires_grad for parameter in model.parameters())
    torch.testing.assert_close(all_outputs(model, batch), beside, **NEAR)
    save_build(tmp_path / "build", tiny_tokenizer, model, tiny_text, {"name": "folded"})
    torch.testing.assert_close(
        all_outputs(load_model(tmp_path / "build"), batch), beside, atol=1e-2, rtol=1e-2
    )


def test_nf4_is_folded_to_full_precision_and_never_merged(
    nf4_model: OmniModel, batch: SequenceBatch, tiny_tokenizer: AudioTokenizer
) -> None:
    plain = set(OmniModel(nf4_model.config, tiny_tokenizer.config).state_dict())
    add_lora(nf4_model, LoraConfig(depth=False))
    draw_b(nf4_model)
    beside, before = all_outputs(nf4_model, batch), state(nf4_model)
    with pytest.raises(ValueError, match=r"NF4 weights \(blocks.0.attention.qkv and others\).*fold_lora"):
        merge_lora(nf4_model)
    assert_same(state(nf4_model), before)
    fold_lora(nf4_model)
    assert set(state(nf4_model)) == plain
    assert {parameter.dtype for parameter in nf4_model.parameters()} == {torch.float32}
    torch.testing.assert_close(all_outputs(nf4_model, batch), beside, **NEAR)


def test_dequantized_computes_what_nf4_computes(nf4_model: OmniModel) -> None:
    layer = nf4_model.blocks[0].mlp.down
    x = torch.randn(7, 128)
    torch.testing.assert_close(dequantized(layer)(x), layer(x), **NEAR)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("has_adapters", [False, True])
def test_files_give_the_same_adapters(
    model: OmniModel, batch: SequenceBatch, tmp_path: Path, packed: bool, has_adapters: bool
) -> None:
    if packed:
        quantize_model(model, NF4Config())
    fresh = copy.deepcopy(model)
    config = LoraConfig(rank=3, alpha=6, dropout=0.1, hearing=True)
    add_lora(model, config)
    draw_b(model)
    path = tmp_path / "adapters.safetensors"
    save_lora(path, model)
    if has_adapters:
        add_lora(fresh, config)
    assert load_lora(path, fresh) == config
    assert_same(state(fresh), state(model))
    assert torch.equal(all_outputs(fresh, batch), all_outputs(model, batch))
    trained = {name for name, parameter in fresh.named_parameters() if parameter.requires_grad}
    assert trained == set(load_file(path))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_merged_model_saves_the_same_file(model: OmniModel, tmp_path: Path) -> None:
    add_lora(model, LoraConfig())
    draw_b(model)
    save_lora(tmp_path / "beside", model)
    merge_lora(model)
    save_lora(tmp_path / "merged", model)
    assert (tmp_path / "beside").read_bytes() == (tmp_path / "merged").read_bytes()
    with pytest.raises(ValueError, match="unmerge_lora first"):
        load_lora(tmp_path / "beside", model)


@pytest.fixture
def saved(model: OmniModel, tmp_path: Path) -> Path:
    """A file of adapters of rank 8 for `model`, which itself stays without."""
    other = copy.deepcopy(model)
    add_lora(other, LoraConfig())
    draw_b(other)
    save_lora(tmp_path / "adapters.safetensors", other)
    return tmp_path / "adapters.safetensors"


def refused(path: Path, model: OmniModel, match: str) -> None:
    before = state(model)
    with pytest.raises(ValueError, match=match):
        load_lora(path, model)
    assert_same(state(model), before)


def test_another_base_is_refused(model: OmniModel, saved: Path) -> None:
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.norm.weight[0] += 1e-6
    packed = copy.deepcopy(model)
    quantize_model(packed, NF4Config())
    for other in (changed, packed):
        refused(saved, other, rf"base of .*adapters.safetensors = .*{base_fingerprint(other)}.*the build")
    twin = OmniModel(model.config, model.tokenizer_config)
    twin.load_state_dict(model.state_dict())
    assert load_lora(saved, twin) == LoraConfig()


def test_another_rank_is_refused(model: OmniModel, saved: Path) -> None:
    add_lora(model, LoraConfig(rank=4, head=False))
    refused(saved, model, r"\{'head': True, 'rank': 8\}.*\{'head': False, 'rank': 4\}.*without adapters")


def test_damaged_files_are_refused_by_name(model: OmniModel, saved: Path) -> None:
    whole = saved.read_bytes()
    name = r"adapters.safetensors cannot be read"
    for cut in (0, 5, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:cut])
        refused(saved, model, name)
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    saved.write_bytes(flipped)
    refused(saved, model, f"{name}: its bytes")
    save_file({"head.weight": torch.zeros(3)}, saved)
    refused(saved, model, f"{name}: its metadata lack")
    saved.unlink()
    refused(saved, model, "adapters = .*existing file")


def test_a_config_that_does_not_fit_its_tensors_is_refused(model: OmniModel, saved: Path) -> None:
    whole = saved.read_bytes()
    text = json.dumps(json.dumps({"rank": 8}))[2:-2]
    assert text.encode() in whole
    saved.write_bytes(whole.replace(text.encode(), text.replace("8", "9").encode()))
    refused(saved, model, r"blocks.0.attention.out.lora_a.*the adapters of its config")
    saved.write_bytes(whole.replace(text.encode(), text.replace("8", "0").encode()))
    refused(saved, model, r"cannot be read: lora.rank = 0 is not allowed")


def feed(model: OmniModel, batch: SequenceBatch, sizes: list[int]) -> Tensor:
    """Hidden states through the ring cache, in pieces of these sizes."""
    cache, slot, parts = model.empty_cache(1), torch.tensor([0]), []
    for ids, codes, chunk, pinned, states in zip(
        *(
            field.split(sizes, 1)
            for field in (batch.ids_BT, batch.codes_BTK, batch.chunk_BT, batch.pinned_BT, batch.states_BTS)
        ),
        strict=True,
    ):
        parts.append(model.advance(ids, codes, chunk, pinned, cache, slot, states))
    return torch.cat(parts, 1)


@pytest.mark.parametrize("packed", [False, True])
def test_the_ring_cache_equals_the_full_pass(
    model: OmniModel, tiny_text: TextTokenizer, packed: bool
) -> None:
    """A spoken request of 90 frames against a window of 64."""
    if packed:
        quantize_model(model, NF4Config())
    add_lora(model, LoraConfig(**ALL))
    draw_b(model)
    builder = new_builder(model, tiny_text, prefix_is_bidirectional=False)
    builder.system("be kind").user_audio(drawn_codes(model, 90)).assistant(Mode.TRANSCRIBE)
    prompt = builder.build()
    batch = pack([[prompt]])
    with torch.no_grad():
        full = model(batch)
    streamed = feed(model, batch, [7, 40, 1, len(prompt) - 48])
    torch.testing.assert_close(streamed, full, atol=5e-5, rtol=1e-4)


def test_greedy_answers_equal_the_full_pass(model: OmniModel, tiny_text: TextTokenizer) -> None:
    builder = new_builder(model, tiny_text).user_text("hello").assistant(Mode.TRANSCRIBE)
    prompt = builder.build()

    def answer() -> list[int]:
        generator = Generator(model, 1)
        generator.open(0, prompt, GenerationRequest(mode=Mode.TRANSCRIBE, max_text_tokens=6))
        return [event.id for event in run(generator, 0) if isinstance(event, TextToken)]

    base = answer()
    add_lora(model, LoraConfig())
    draw_b(model, 1)
    chosen = answer()
    assert chosen != base
    builder._decoder(chosen)
    with torch.no_grad():
        logits = model.head(model(pack([[builder.build()]])))[0]
    vocabulary = model.vocabulary
    logits[:, [t for t in range(vocabulary.size) if not vocabulary.is_text(t) and t != Special.END]] = -1e9
    assert logits[len(prompt) - 1 : -1].argmax(-1).tolist()[: len(chosen)] == chosen
    merge_lora(model)
    assert answer() == chosen


def test_depth_decoder_says_what_its_loss_scores(model: OmniModel) -> None:
    """Stage by stage, each codebook meets its own adapter."""
    add_lora(model, LoraConfig())
    draw_b(model)
    hidden_MD, semantic_MD = torch.randn(2, 3, 64)
    codes_MK = torch.randint(16, (3, 4))
    seen: list[Tensor] = []

    def choose(stage: int, logits_MC: Tensor) -> Tensor:
        seen.append(logits_MC)
        return codes_MK[:, stage]

    assert torch.equal(model.depth.generate(hidden_MD, semantic_MD, model.codebook_vectors, choose), codes_MK)
    with torch.no_grad():
        states_MKD = model.depth._states(hidden_MD, semantic_MD, codes_MK[:, :-1])
        whole_MKC = model.depth.logits(states_MKD, model.codebook_vectors)
    torch.testing.assert_close(torch.stack(seen, 1), whole_MKC, **NEAR)


def test_bfloat16_bases_and_autocast_learn(model: OmniModel, batch: SequenceBatch) -> None:
    add_lora(model.train(), LoraConfig(**ALL))
    draw_b(model)
    with torch.autocast("cpu", torch.bfloat16):
        total(model, batch).backward()
    assert all(layer.lora_a.grad.dtype is torch.float32 for layer in lora_layers(model).values())
    layer = lora_layers(model)["blocks.0.mlp.down"]
    layer.base.to(torch.bfloat16)
    assert layer(torch.randn(2, 128, dtype=torch.bfloat16)).dtype is torch.bfloat16


@pytest.mark.parametrize("pack", [lambda model: quantize_model(model, NF4Config()), pack_model])
def test_weights_with_adapters_are_not_packed(
    model: OmniModel, pack: Callable[[OmniModel], list[str]]
) -> None:
    add_lora(model, LoraConfig())
    before = state(model)
    with pytest.raises(ValueError, match=r"adapters of the model = .*lora_a.*add_lora after it"):
        pack(model)
    assert_same(state(model), before)
    fold_lora(model)
    pack(model)


def test_int4_weights_get_no_adapters(model: OmniModel) -> None:
    pack_model(model)
    with pytest.raises(ValueError, match=r"adapters = .*int4 weights.*weight_quant=nf4"):
        add_lora(model, LoraConfig())
    assert lora_layers(model) == {}


def test_bad_use_is_named(model: OmniModel, tmp_path: Path, tiny_tokenizer: AudioTokenizer) -> None:
    for call in (merge_lora, unmerge_lora, fold_lora, lambda m: save_lora(tmp_path / "a", m)):
        with pytest.raises(ValueError, match="Call add_lora first"):
            call(model)
    assert list(tmp_path.iterdir()) == []
    add_lora(model, LoraConfig())
    with pytest.raises(ValueError, match="none yet"):
        add_lora(model, LoraConfig())
    with pytest.raises(ValueError, match="merge_lora first"):
        unmerge_lora(model)
    merge_lora(model)
    with pytest.raises(ValueError, match="unmerge_lora first"):
        merge_lora(model)
    for wrong, name in (({"rank": 0}, "rank"), ({"alpha": -1.0}, "alpha"), ({"dropout": 1.0}, "dropout")):
        with pytest.raises(ValueError, match=f"lora.{name} = "):
            LoraConfig(**wrong)
    with pytest.raises(ValueError, match="at least one part"):
        LoraConfig(blocks=False, depth=False, head=False)
