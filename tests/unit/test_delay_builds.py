"""Networks of the delay pattern as builds: saved and loaded, in four bits, with adapters; older files stay readable."""

import copy
import json
from pathlib import Path

import pytest
import torch
from drawn_streams import drawn_codes, new_builder
from tiny import tiny_model_config

from omni_audio.model.assistant import Assistant, Role, Turn, WeightQuant
from omni_audio.model.build import CONFIG, load_model, save_build
from omni_audio.model.layout import CodePattern, LayoutConfig
from omni_audio.model.lora import LoraConfig, add_lora, fold_lora, lora_layers, merge_lora, unmerge_lora
from omni_audio.model.lora_file import load_lora, save_lora
from omni_audio.model.packed_build import quantize_build
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, SequenceBatch, pack
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import ModelConfig, OmniModel
from omni_audio.plain import from_plain, to_plain
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.int4 import pack_model

LAYOUT = LayoutConfig(encoder_chunk=8, pinned_positions=16, pattern=CodePattern.delay, max_delay_frames=2)


@pytest.fixture(scope="module")
def model(tiny_tokenizer: AudioTokenizer) -> OmniModel:
    torch.manual_seed(1)
    model = OmniModel(tiny_model_config(layout=LAYOUT), tiny_tokenizer.config).eval()
    model.load_codebooks(tiny_tokenizer)
    torch.nn.init.normal_(model.depth.heads, std=0.1)
    return model


@pytest.fixture(scope="module")
def build(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_tokenizer: AudioTokenizer,
    model: OmniModel,
    tiny_text: TextTokenizer,
) -> Path:
    folder = tmp_path_factory.mktemp("builds") / "omni-audio-delay-2026-01-01"
    card = {"name": folder.name, "date": "2026-01-01", "num_parameters": 0, "limits": "untrained"}
    save_build(folder, tiny_tokenizer, model, tiny_text, card)
    return folder


def batch_of(model: OmniModel, text: TextTokenizer) -> SequenceBatch:
    builder = new_builder(model, text).user_audio(drawn_codes(model, 9), "on").assistant(Mode.REPLY_AUDIO)
    return pack([[builder.answer_speech("on it", drawn_codes(model, 12, 1)).end().build()]])


def acoustic_loss(model: OmniModel, text: TextTokenizer) -> torch.Tensor:
    with torch.no_grad():
        return model.losses(batch_of(model, text)).acoustic


def test_a_build_keeps_its_pattern(build: Path, model: OmniModel, tiny_text: TextTokenizer) -> None:
    loaded = load_model(build)
    assert loaded.config == model.config
    assert loaded.delays.frames == (0, 1, 2, 2)
    expected = acoustic_loss(model, tiny_text)
    torch.testing.assert_close(acoustic_loss(loaded, tiny_text), expected, atol=1e-3, rtol=1e-3)


def test_files_of_before_there_were_delays_are_read_and_known_again() -> None:
    config = tiny_model_config()
    plain = json.loads(json.dumps(to_plain(config)))
    del plain["layout"]["pattern"], plain["layout"]["max_delay_frames"]
    assert from_plain(ModelConfig, plain) == config
    assert config.facts() == plain, "fingerprints of stages stay"
    late = tiny_model_config(layout=LAYOUT)
    assert late.facts() == to_plain(late)
    assert late.facts()["layout"]["pattern"] == "delay"


def test_weights_of_another_pattern_are_refused(
    build: Path, tiny_build: Path, tmp_path: Path, tiny_text: TextTokenizer
) -> None:
    for folder, pattern in ((build, "depth"), (tiny_build, "delay")):
        other = tmp_path / pattern
        other.mkdir()
        for file in folder.iterdir():
            (other / file.name).write_bytes(file.read_bytes())
        config = json.loads((other / CONFIG).read_text())
        config["model"]["layout"] |= {"pattern": pattern, "max_delay_frames": None}
        (other / CONFIG).write_text(json.dumps(config))
        with pytest.raises(ValueError, match=r"depth\.blocks\.0.*Take both files from the same build"):
            load_model(other)


@pytest.mark.parametrize("weight_quant", list(WeightQuant))
def test_a_build_speaks_and_hears(build: Path, weight_quant: WeightQuant) -> None:
    assistant = Assistant.load(build, weight_quant)
    said = assistant.say("turn on", takes=2, audio_temperature=1.0)
    assert said.pcm_S is not None
    assert said.pcm_S.shape[0] == said.num_frames * 1280 > 0
    request = GenerationRequest(mode=Mode.REPLY_AUDIO, max_frames=5, max_text_tokens=9)
    reply = assistant.reply([Turn(role=Role.USER, pcm_S=torch.sin(torch.arange(9000) / 20))], request)
    assert reply.pcm_S is not None
    assert reply.pcm_S.shape[0] == reply.num_frames * 1280 > 0
    assert isinstance(assistant.transcribe(torch.sin(torch.arange(9000) / 20)), str)


def test_four_bits_are_of_the_same_parts(
    build: Path, model: OmniModel, tmp_path: Path, tiny_text: TextTokenizer
) -> None:
    quantize_build(build, tmp_path / "nf4", NF4Config())
    packed = Assistant.load(build, WeightQuant.NF4).model
    stored = Assistant.load(tmp_path / "nf4").model
    names = [name for name, module in stored.named_modules() if type(module).__name__ == "Linear4bit"]
    assert [name for name in names if name.startswith("depth")] == ["depth.enter"]
    assert torch.equal(acoustic_loss(stored, tiny_text), acoustic_loss(packed, tiny_text))
    int4 = copy.deepcopy(model)
    assert [name for name in pack_model(int4) if name.startswith("depth")] == ["depth.enter"]
    torch.testing.assert_close(
        acoustic_loss(int4, tiny_text), acoustic_loss(model, tiny_text), atol=0.2, rtol=0
    )


def test_adapters_learn_beside_its_heads(model: OmniModel, tmp_path: Path, tiny_text: TextTokenizer) -> None:
    tuned = copy.deepcopy(model)
    before = acoustic_loss(tuned, tiny_text)
    names = add_lora(tuned, LoraConfig(rank=4))
    depth = {"depth.enter", "depth.head_product", "depth.asked_product"}
    assert {name for name in names if name.startswith("depth")} == depth
    assert torch.equal(acoustic_loss(tuned, tiny_text), before)
    optimiser = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(5):
        optimiser.zero_grad()
        tuned.losses(batch_of(tuned, tiny_text)).acoustic.backward()
        optimiser.step()
    after = acoustic_loss(tuned, tiny_text)
    assert after < before - 0.05
    assert all(bool(lora_layers(tuned)[name].lora_b.any()) for name in depth)
    save_lora(tmp_path / "adapters.safetensors", tuned)
    again = copy.deepcopy(model)
    load_lora(tmp_path / "adapters.safetensors", again)
    assert torch.equal(acoustic_loss(again, tiny_text), after)
    merge_lora(tuned)
    torch.testing.assert_close(acoustic_loss(tuned, tiny_text), after)
    unmerge_lora(tuned)
    assert torch.equal(acoustic_loss(tuned, tiny_text), after)
    fold_lora(tuned)
    torch.testing.assert_close(acoustic_loss(tuned, tiny_text), after)
