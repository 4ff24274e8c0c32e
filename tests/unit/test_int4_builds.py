"""Builds of packed 4-bit integers: the same answers as packing while loading, from a file of no processor's form."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from packed_networks import LargestTensor, logits
from safetensors.torch import load_file
from tiny import tiny_model_config

from omni_audio.cli import main
from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.model.assistant import Assistant, Role, Turn, WeightQuant
from omni_audio.model.build import (
    MODEL_WEIGHTS,
    TOKENIZER_WEIGHTS,
    load_card,
    load_model,
    packed_config,
    save_build,
)
from omni_audio.model.packed_build import load_packed_model, quantize_build
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.weight_quant import int4
from omni_audio.weight_quant.chosen import chosen_linears
from omni_audio.weight_quant.config import Int4Config, NF4Config
from omni_audio.weight_quant.int4 import Int4Linear, pack_model
from omni_audio.weight_quant.int4_file import one_a_byte, two_a_byte
from omni_audio.weight_quant.report import bits_report
from omni_audio.weight_quant.tables import Int8Table


@pytest.fixture(scope="module")
def stored(tiny_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int4 build of the tiny build, made by the command; not to be changed."""
    out = tmp_path_factory.mktemp("int4") / "omni-audio-tiny-int4"
    assert main.main(["quantize", str(tiny_build), "--out", str(out), "--format", "int4"]) == 0
    return out


def test_two_codes_lie_in_a_byte_the_even_one_low() -> None:
    codes = torch.arange(32, dtype=torch.uint8).view(2, 16) % 16
    packed = two_a_byte(codes)
    assert packed.shape == (2, 8)
    assert packed[0, :2].tolist() == [0x10, 0x32]
    assert torch.equal(one_a_byte(packed), codes)


def test_logits_have_the_same_bytes_as_of_packing_while_loading(tiny_build: Path, stored: Path) -> None:
    assert packed_config(stored) == Int4Config()
    ours = Assistant.load(stored).model
    theirs = Assistant.load(tiny_build, WeightQuant.INT4).model
    assert logits(ours) == logits(theirs)
    assert logits(ours) == logits(Assistant.load(stored, WeightQuant.INT4).model)
    assert logits(ours) != logits(load_model(tiny_build)), "packing changes something"
    mine, others = ours.state_dict(), theirs.state_dict()
    assert mine.keys() == others.keys()
    for name, tensor in others.items():
        assert mine[name].dtype == tensor.dtype
        assert torch.equal(mine[name], tensor), name
    for name, _ in chosen_linears(load_model(tiny_build), NF4Config()):
        assert isinstance(ours.get_submodule(name), Int4Linear)
    assert isinstance(ours.embed, Int8Table)


def test_a_reply_is_the_same(tiny_build: Path, stored: Path) -> None:
    """Of a typed request: the tokenizer of a packed build is rounded, that of the full one is not."""
    request = GenerationRequest(mode=Mode.REPLY_AUDIO, max_text_tokens=8, max_frames=8, temperature=1.0)
    turns = [Turn(role=Role.USER, text="hi")]
    one, other = (
        Assistant.load(build, WeightQuant.INT4).reply(turns, request) for build in (stored, tiny_build)
    )
    assert (one.text, one.num_frames) == (other.text, other.num_frames)
    assert one.num_frames > 0


def test_a_weight_takes_four_and_a_half_bits_in_the_file(
    tiny_build: Path, stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = bits_report(stored / MODEL_WEIGHTS, stored / TOKENIZER_WEIGHTS)
    full = bits_report(tiny_build / MODEL_WEIGHTS, tiny_build / TOKENIZER_WEIGHTS)
    assert report.packed is not None
    assert (report.packed.module, report.packed.bits_per_parameter) == ("int4 layers", 4.5)
    linears = chosen_linears(load_model(tiny_build), NF4Config())
    assert report.packed.num_parameters == sum(linear.weight.numel() for _, linear in linears)
    assert report.whole.num_parameters == full.whole.num_parameters
    assert load_card(stored)["weight_quant"] == {"format": "int4", "group": 64}
    capsys.readouterr()
    assert main.main(["build-info", str(stored), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bits_per_parameter"]["int4 layers"] == 4.5
    assert told["memory_ratio"] == report.whole.memory_ratio < 0.6


def test_the_full_weights_are_never_there(
    tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer, tmp_path: Path
) -> None:
    model = OmniModel(tiny_model_config(mlp_width=2048), tiny_tokenizer.config).eval()
    save_build(tmp_path / "full", tiny_tokenizer, model, tiny_text, {})
    quantize_build(tmp_path / "full", tmp_path / "int4", Int4Config())
    widest = model.blocks[0].get_submodule("mlp.gate_up").get_parameter("weight").nbytes
    with LargestTensor() as loading:
        load_packed_model(tmp_path / "int4")
    assert loading.num_float_bytes < widest / 4
    assert loading.num_bytes <= widest, "codes of one layer alone are ever unpacked"
    with LargestTensor() as packing:
        pack_model(load_model(tmp_path / "full"))
    assert packing.num_float_bytes >= widest, "the control sees them"


def test_what_it_cannot_be_is_named(
    tiny_build: Path, stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"weight_quant = 'nf4' .*expected none or int4 for an int4 build"):
        Assistant.load(stored, WeightQuant.NF4)
    with pytest.raises(ValueError, match=r"weight_quant\.nf4 = .*do not become NF4"):
        Assistant.load(stored, WeightQuant.NONE, NF4Config(heads=False))
    with pytest.raises(ValueError, match=r"device = 'cuda' .*cpu where weight_quant is int4"):
        Assistant.load(stored, device="cuda")
    with pytest.raises(ValueError, match=r"lora = .*no adapters where weight_quant is int4"):
        Assistant.load(stored, lora=tmp_path / "lora.safetensors")
    with pytest.raises(ValueError, match=r"eval.weight_quant = 'none' .*expected int4 for an int4 build"):
        AssistantSubject.load(stored, "none")
    assert isinstance(AssistantSubject.load(stored, "int4").assistant.model.embed, Int8Table)
    with pytest.raises(ValueError, match="This one is int4 already"):
        quantize_build(stored, tmp_path / "again", NF4Config())
    words = ["quantize", str(tiny_build), "--out", str(tmp_path / "out"), "--format", "int4"]
    assert main.main([*words, "weight_quant.nf4.depth=false"]) == main.EXIT_USER_ERROR
    assert "'weight_quant.nf4.depth=false' is a setting of NF4" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_torch_without_the_product_is_named(
    tiny_build: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: Any) -> None:
        raise RuntimeError("not for this processor")

    monkeypatch.setattr(int4, "multiply", absent)
    for build in (stored, tiny_build):
        with pytest.raises(
            ValueError, match=r"weight_quant = 'int4' .*\(not for this processor\).*weight_quant=none or nf4"
        ):
            Assistant.load(build, WeightQuant.INT4)


@pytest.mark.parametrize("num_bytes", [0, 1000, -10])
def test_a_file_that_is_cut_short_is_named(stored: Path, tmp_path: Path, num_bytes: int) -> None:
    broken = Path(shutil.copytree(stored, tmp_path / "broken"))
    path = broken / MODEL_WEIGHTS
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(ValueError, match=rf"{MODEL_WEIGHTS} cannot be read: .*build again"):
        Assistant.load(broken)


def test_weights_of_another_format_are_refused(tiny_build: Path, stored: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(stored, tmp_path / "broken"))
    quantize_build(tiny_build, tmp_path / "nf4", NF4Config())
    shutil.copyfile(tmp_path / "nf4" / MODEL_WEIGHTS, broken / MODEL_WEIGHTS)
    with pytest.raises(
        ValueError, match=r"its format is 'omni-audio nf4 3', config\.json wants 'omni-audio i"
    ):
        Assistant.load(broken)
    assert load_file(stored / MODEL_WEIGHTS)["head.linear.weight"].dtype == torch.uint8
