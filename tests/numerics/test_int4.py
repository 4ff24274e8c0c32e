"""Packed 4-bit integers: the product is that of the weights they stand for, and these are near to what was packed."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.cli import main
from omni_audio.model.assistant import Assistant, WeightQuant
from omni_audio.model.packed_build import quantize_build
from omni_audio.model.transformer import OmniModel
from omni_audio.weight_quant import int4
from omni_audio.weight_quant.chosen import chosen_linears
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.int4 import GROUP, Int4Linear, pack_model


def stood_for(layer: Int4Linear, weight: Tensor) -> Tensor:
    """The weights (out, in) that a layer computes with: of each group's sixteen values the nearest ones."""
    scales, zeros = layer.scales_and_zeros.float().transpose(0, 1)[: len(weight)].unbind(-1)
    values = (torch.arange(16) - 8) * scales[..., None] + zeros[..., None]
    groups = weight.unflatten(1, (-1, GROUP))
    nearest = (groups[..., None] - values[:, :, None]).abs().argmin(-1)
    return values.gather(-1, nearest).flatten(1)


@pytest.mark.parametrize(
    ("inputs", "outputs", "rows"), [(64, 16, 1), (128, 37, 1), (256, 100, 3), (192, 64, 40)]
)
def test_the_product_is_that_of_the_nearest_values(inputs: int, outputs: int, rows: int) -> None:
    torch.manual_seed(inputs + outputs)
    linear = nn.Linear(inputs, outputs)
    layer = Int4Linear(linear)
    x = torch.randn(2, rows, inputs).bfloat16().float()
    got = layer(x)
    assert got.shape == (2, rows, outputs)
    assert got.dtype == torch.float32
    weight = stood_for(layer, linear.weight.detach())
    torch.testing.assert_close(got, F.linear(x, weight, linear.bias), atol=0.02, rtol=0.02)
    error = (weight - linear.weight).norm() / linear.weight.norm()
    assert 0 < error < 0.1


def test_a_weight_takes_four_and_a_half_bits() -> None:
    """Four, and two numbers of 16 bits for each 64 weights; outputs are filled up to a multiple of 16."""
    for outputs, held in ((48, 48), (37, 48)):
        buffers = Int4Linear(nn.Linear(128, outputs, bias=False)).buffers()
        assert 8 * sum(buffer.nbytes for buffer in buffers) == 4.5 * 128 * held


def test_a_group_of_equal_weights_is_kept() -> None:
    linear = nn.Linear(64, 16, bias=False)
    nn.init.constant_(linear.weight, 0.25)
    torch.testing.assert_close(Int4Linear(linear)(torch.ones(1, 64)), torch.full((1, 16), 16.0))


def test_every_linear_of_stack_depth_and_head_is_packed(tiny_model: OmniModel) -> None:
    model = copy.deepcopy(tiny_model)
    names = pack_model(model)
    assert names == [name for name, _ in chosen_linears(tiny_model, NF4Config())]
    assert all(isinstance(model.get_submodule(name), Int4Linear) for name in names)


def test_a_build_answers_in_it(tiny_build: Path) -> None:
    full, packed = (Assistant.load(tiny_build, quant) for quant in (WeightQuant.NONE, WeightQuant.INT4))
    pcm_S = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(0))
    assert isinstance(packed.transcribe(pcm_S), str)
    states_D = torch.randn(1, full.model.config.width, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, got = full.model.head(states_D), packed.model.head(states_D)
    assert 0 < (got - expected).norm() / expected.norm() < 0.2


def test_every_command_answers_in_it(
    tiny_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[str] = []
    monkeypatch.setattr(int4, "pack_model", lambda model: packed.append("model") or pack_model(model))
    clip = Path(__file__).parents[1] / "data" / "allison-vm-msgsaved.flac"
    build = ["--build", str(tiny_build), "--int4"]
    for words in (
        ["say", "hi", "--out", str(tmp_path / "a.wav")], ["transcribe", str(clip)], ["chat", "--text", "hi"],
    ):  # fmt: skip
        assert main.main([*words, *build]) == 0
    assert len(packed) == 3
    with pytest.raises(SystemExit):
        main.main(["chat", "--text", "hi", *build, "--nf4"])


@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_processors_with_fewer_instructions_compute_the_same(capability: str) -> None:
    """In a process of its own: torch reads the variable once, and packs as its kernels there read."""
    script = (
        "import torch\n"
        "from omni_audio.weight_quant.int4 import Int4Linear\n"
        "torch.manual_seed(0)\n"
        "print(torch.backends.cpu.get_cpu_capability().lower())\n"
        "layer = Int4Linear(torch.nn.Linear(128, 40))\n"
        "print(layer(torch.randn(3, 128)).tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "ATEN_CPU_CAPABILITY": capability},
    )
    used, made = done.stdout.splitlines()
    assert used == capability
    torch.manual_seed(0)
    linear = nn.Linear(128, 40)
    expected = Int4Linear(linear)(torch.randn(3, 128))
    torch.testing.assert_close(torch.tensor(json.loads(made)), expected, atol=1e-2, rtol=1e-2)


def test_a_format_that_is_none_is_named(tiny_build: Path) -> None:
    unknown: Any = "int3"
    with pytest.raises(ValueError, match=r"weight_quant = 'int3' is not allowed: expected none, nf4, int4\."):
        Assistant.load(tiny_build, unknown)


def test_it_is_for_full_weights_on_a_cpu_without_adapters(tiny_build: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"device = 'cuda' .*cpu where weight_quant is int4"):
        Assistant.load(tiny_build, WeightQuant.INT4, device="cuda")
    with pytest.raises(ValueError, match=r"lora = .*no adapters where weight_quant is int4"):
        Assistant.load(tiny_build, WeightQuant.INT4, lora=tmp_path / "lora.safetensors")
    quantize_build(tiny_build, tmp_path / "nf4", NF4Config())
    with pytest.raises(ValueError, match=r"weight_quant = 'int4' .*none or nf4 for an NF4 build"):
        Assistant.load(tmp_path / "nf4", WeightQuant.INT4)
    with pytest.raises(ValueError, match=r"weight_quant\.nf4 = .*do not become NF4"):
        Assistant.load(tiny_build, WeightQuant.INT4, NF4Config(heads=False))
