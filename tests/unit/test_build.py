"""Builds come back whole, or say what is wrong with them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from bitsandbytes.nn.modules import Linear4bit
from safetensors.torch import load_file, save_file

from omni_audio.cli.assistants import load_assistant
from omni_audio.model.assistant import Assistant, WeightQuant
from omni_audio.model.build import (
    CARD,
    CONFIG,
    MODEL_WEIGHTS,
    TEXT,
    TOKENIZER_WEIGHTS,
    load_model,
    load_tokenizer,
    save_build,
    save_tokenizer_build,
)
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer, TokenizerConfig
from omni_audio.weight_quant.int8_rows import StoredWeights


@pytest.fixture
def build(tiny_build: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(tiny_build, tmp_path / "build"))


def num_packed(model: torch.nn.Module) -> int:
    return sum(isinstance(module, Linear4bit) for module in model.modules())


def test_weights_come_back_at_half_precision(
    tiny_build: Path, tiny_model: OmniModel, tiny_tokenizer: AudioTokenizer
) -> None:
    loaded = load_model(tiny_build)
    assert not loaded.training
    assert loaded.config == tiny_model.config
    for name, tensor in tiny_model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor.half().to(tensor.dtype), rtol=0, atol=0)
    assert load_tokenizer(tiny_build).fingerprint() == load_tokenizer(tiny_build).fingerprint()
    assert load_tokenizer(tiny_build).config == tiny_tokenizer.config


@pytest.mark.parametrize("name", [CONFIG, CARD, TEXT, MODEL_WEIGHTS, TOKENIZER_WEIGHTS])
def test_a_missing_file_is_named(build: Path, name: str) -> None:
    (build / name).unlink()
    with pytest.raises(ValueError, match=f"{name}.*expected an existing file"):
        Assistant.load(build)


def test_a_tokenizer_build_has_no_model(tmp_path: Path, tiny_tokenizer: AudioTokenizer) -> None:
    folder = tmp_path / "tokenizer"
    save_tokenizer_build(folder, tiny_tokenizer, {"name": "tokenizer"})
    assert load_tokenizer(folder).config == tiny_tokenizer.config
    with pytest.raises(ValueError, match="This one holds a tokenizer only"):
        Assistant.load(folder)


def test_eight_bit_weights_halve_the_file_and_stay_near(tmp_path: Path) -> None:
    config = TokenizerConfig()
    config.encoder.width, config.vocoder.width = 128, 128
    tokenizer = AudioTokenizer(config).eval()
    sizes = {}
    for stored in StoredWeights:
        save_tokenizer_build(tmp_path / stored.value, tokenizer, {"name": "tokenizer"}, stored)
        sizes[stored] = (tmp_path / stored.value / TOKENIZER_WEIGHTS).stat().st_size
    assert sizes[StoredWeights.int8] < 0.62 * sizes[StoredWeights.float16]
    loaded = load_tokenizer(tmp_path / "int8")
    for name, tensor in tokenizer.shipped_state().items():
        found, tensor = loaded.shipped_state()[name].float(), tensor.float()
        allowed = (
            tensor.abs().amax(-1, keepdim=True) / 250 if name.endswith(".weight") else tensor.abs() / 1000
        )
        assert ((found - tensor).abs() <= allowed + 1e-6).all(), name
    assert not torch.equal(loaded.encoder.patch.weight, tokenizer.encoder.patch.weight)
    save_tokenizer_build(tmp_path / "again", loaded, {"name": "tokenizer"}, StoredWeights.int8)
    assert load_tokenizer(tmp_path / "again").fingerprint() == loaded.fingerprint()


def test_eight_bit_weights_without_their_scales_are_refused(tmp_path: Path) -> None:
    tokenizer = AudioTokenizer(TokenizerConfig())
    save_tokenizer_build(tmp_path / "build", tokenizer, {"name": "tokenizer"}, StoredWeights.int8)
    weights = load_file(tmp_path / "build" / TOKENIZER_WEIGHTS)
    del weights["encoder.patch.weight.row_scale"]
    save_file(weights, tmp_path / "build" / TOKENIZER_WEIGHTS)
    with pytest.raises(ValueError, match=r"encoder.patch.weight holds 8-bit integers without"):
        load_tokenizer(tmp_path / "build")


@pytest.mark.parametrize("name", ["encoder.patch.bias", "left_over.weight"])
def test_scales_without_a_matrix_of_eight_bits_are_refused(tmp_path: Path, name: str) -> None:
    tokenizer = AudioTokenizer(TokenizerConfig())
    save_tokenizer_build(tmp_path / "build", tokenizer, {"name": "tokenizer"}, StoredWeights.int8)
    weights = load_file(tmp_path / "build" / TOKENIZER_WEIGHTS)
    weights[f"{name}.row_scale"] = torch.ones(1)
    save_file(weights, tmp_path / "build" / TOKENIZER_WEIGHTS)
    with pytest.raises(ValueError, match=rf"{name}.row_scale has no matrix of 8-bit integers"):
        load_tokenizer(tmp_path / "build")


def test_weights_of_another_config_are_refused(build: Path) -> None:
    config = json.loads((build / CONFIG).read_text())
    config["model"]["mlp_width"] = 192
    (build / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"model.safetensors = .*mlp.*Take both files from the same build"):
        load_model(build)
    weights = load_file(build / TOKENIZER_WEIGHTS)
    weights["left_over"] = torch.zeros(1)
    save_file(weights, build / TOKENIZER_WEIGHTS)
    with pytest.raises(ValueError, match="left_over"):
        load_tokenizer(build)


def test_a_config_of_another_version_is_refused(build: Path) -> None:
    config = json.loads((build / CONFIG).read_text())
    config["model"]["new_option"] = True
    (build / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"new_option.*another version"):
        load_model(build)


def test_a_broken_save_leaves_no_build(
    tmp_path: Path,
    tiny_tokenizer: AudioTokenizer,
    tiny_model: OmniModel,
    tiny_text: TextTokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: TextTokenizer, path: Path) -> None:
        raise OSError(28, "No space left on device")

    folder = tmp_path / "builds" / "omni-audio-tiny-2026-01-01"
    with monkeypatch.context() as patched:
        patched.setattr(TextTokenizer, "save", full)
        with pytest.raises(OSError, match="No space left"):
            save_build(folder, tiny_tokenizer, tiny_model, tiny_text, {"name": "x"})
    assert not list(folder.parent.rglob(CONFIG))
    save_build(folder, tiny_tokenizer, tiny_model, tiny_text, {"name": "x"})
    assert Assistant.load(folder).card == {"name": "x"}
    with pytest.raises(ValueError, match="Builds are never changed"):
        save_build(folder, tiny_tokenizer, tiny_model, tiny_text, {"name": "y"})


def test_nf4_is_really_used(tiny_build: Path) -> None:
    assert num_packed(load_assistant(tiny_build).model) == 0
    packed = num_packed(load_assistant(tiny_build, "nf4").model)
    assert packed > 5
    for name in ("nf4", WeightQuant.NF4):
        assert num_packed(Assistant.load(tiny_build, name).model) == packed
    with pytest.raises(ValueError, match="int8"):
        Assistant.load(tiny_build, "int8")


@pytest.mark.parametrize("override", ["weight_quant=nf4", "server.weight_quant=NF4", None])
def test_serve_uses_nf4_where_it_is_asked_for(
    tiny_build: Path, served: list[Assistant], override: str | None
) -> None:
    from omni_audio.cli import main

    words = [
        "serve",
        f"build={tiny_build}",
        "server.port=0",
        "runtime.num_threads=1",
        *([override] if override else []),
    ]
    assert main.main(words) == 0
    assert (num_packed(served[0].model) > 5) == (override is not None)


@pytest.mark.parametrize("name", [CONFIG, CARD])
@pytest.mark.parametrize(("content", "said"), [('{"tokenizer": ', "not JSON"), ("[]", "no JSON object")])
def test_a_file_that_is_not_json_is_named(build: Path, name: str, content: str, said: str) -> None:
    (build / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{name} cannot be read: it .*{said}.*build again"):
        Assistant.load(build)


def test_a_config_that_lacks_a_key_is_named(build: Path) -> None:
    config = json.loads((build / CONFIG).read_text())
    (build / CONFIG).write_text(json.dumps({"model": config["model"]}))
    with pytest.raises(ValueError, match=r"config.json cannot be read: key 'tokenizer' is missing.*again"):
        load_tokenizer(build)
    with pytest.raises(ValueError, match="key 'tokenizer' is missing"):
        load_model(build)
    del config["tokenizer"]["vq"]
    (build / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config.json cannot be read: tokenizer has keys .*'vq'.*again"):
        load_tokenizer(build)


@pytest.mark.parametrize("name", [MODEL_WEIGHTS, TOKENIZER_WEIGHTS])
@pytest.mark.parametrize("num_bytes", [0, 5, 1000, -10])
def test_weights_that_are_cut_short_are_named(build: Path, name: str, num_bytes: int) -> None:
    path = build / name
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(ValueError, match=rf"{name} cannot be read: .*build again"):
        Assistant.load(build)
