"""NF4: bitsandbytes equals the plain-torch reference; memory falls; bad configs are named."""

import json
import math
import os
from pathlib import Path

import pytest
import torch
from tiny import tiny_model_config
from torch import nn

from omni_audio.config.load import load_config
from omni_audio.model.build import save_weights
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.int8_rows import StoredWeights
from omni_audio.weight_quant.nf4 import (
    chosen_linears,
    quantize_model,
    weight_bytes,
)
from omni_audio.weight_quant.nf4_file import NF4File
from omni_audio.weight_quant.packed import expected_tensors
from omni_audio.weight_quant.reference import nf4_round_trip
from omni_audio.weight_quant.report import bits_report
from omni_audio.weight_quant.stored import StoredTensor
from omni_audio.weight_quant.tables import hold_tables

BITS = 4.13
"""A weight of NF4 layers may take so many, all statistics included."""
SHARE_OF_FP16 = 0.35
"""A whole build of a hundred million parameters may take this share of 16 bits for each."""


class OneLinear(nn.Module):
    """A module whose only linear lies where the stack's lie."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(columns, rows, bias=False)])


@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (96, 128), (352, 704)])
def test_nf4_equals_reference(rows: int, columns: int) -> None:
    torch.manual_seed(0)
    module = OneLinear(rows, columns).eval()
    weight = module.blocks[0].weight.detach().clone()
    quantize_model(module, NF4Config(double_quant=False))
    x = torch.randn(5, columns)
    torch.testing.assert_close(module.blocks[0](x), x @ nf4_round_trip(weight).t(), atol=1e-5, rtol=1e-4)


def packed_bytes(num_weights: int) -> int:
    """Of one layer: codes of half a byte, a byte for each 64 weights, a float for each 256 of these, and their mean."""
    num_blocks = num_weights // 64
    return num_weights // 2 + num_blocks + 4 * math.ceil(num_blocks / 256) + 4


VALUES_BYTES = 4 * 16 + 4 * 256
"""The values that codes and maxima stand for, floats: once in a file, and counted for each layer in memory."""


def test_double_quantisation_stays_near_and_takes_less() -> None:
    torch.manual_seed(0)
    single, double = OneLinear(512, 512), OneLinear(512, 512)
    double.load_state_dict(single.state_dict())
    exact = nf4_round_trip(single.blocks[0].weight.detach())
    quantize_model(single, NF4Config(double_quant=False))
    quantize_model(double, NF4Config(double_quant=True))
    assert weight_bytes(single) == 512**2 // 2 + 4 * 512**2 // 64 + 4 * 16
    assert weight_bytes(double) == packed_bytes(512**2) + VALUES_BYTES
    assert packed_bytes(512**2) * 8 / 512**2 <= BITS
    x = torch.eye(512)
    error = (double.blocks[0](x) - exact.t()).abs().max() / exact.abs().max()
    assert 0 < float(error) < 0.02


def test_whole_model_answers_in_the_memory_that_its_shapes_ask_for(tiny_tokenizer: AudioTokenizer) -> None:
    """Four bits and statistics for linears, a byte a number and a float a row for tables, floats for what is left."""
    torch.manual_seed(0)
    model = OmniModel(tiny_model_config(width=128, mlp_width=256), tiny_tokenizer.config).eval()
    chosen = {name: linear.weight.numel() for name, linear in chosen_linears(model, NF4Config())}
    tables = [module.weight.shape for module in model.modules() if isinstance(module, nn.Embedding)]
    num_left = sum(parameter.numel() for parameter in model.parameters())
    num_left -= sum(chosen.values()) + sum(math.prod(shape) for shape in tables)
    names = quantize_model(model, NF4Config())
    assert names == list(chosen)
    assert {"head.linear", "head.digits"} <= set(names)
    assert "depth.enter" in names
    assert "blocks.0.attention.qkv" in names
    layers = sum(packed_bytes(num_weights) + VALUES_BYTES for num_weights in chosen.values())
    assert weight_bytes(model) == layers + sum(rows * (width + 4) for rows, width in tables) + 4 * num_left
    assert not any(module.training for module in model.modules())
    cache = model.empty_cache(1)
    ids = torch.tensor([[1, 2, 3]])
    none = torch.full((1, 3), -1)
    hidden = model.advance(ids, torch.full((1, 3, 4), -1), none, none >= 0, cache, torch.tensor([0]))
    assert bool(torch.isfinite(model.head(hidden)).all())


def write_header(path: Path, tensors: dict[str, StoredTensor]) -> None:
    """A safetensors file of these tensors whose numbers are a hole: it takes no room, whatever their size."""
    told, start = {}, 0
    for name, tensor in tensors.items():
        stop = start + tensor.num_bytes
        told[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, stop]}
        start = stop
    header = json.dumps(told).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(path, path.stat().st_size + start)


def test_a_hundred_million_parameters_take_what_is_asked_for(tmp_path: Path) -> None:
    """The preset's build; of the network the file that the loader asks for, without its numbers."""
    config = load_config(["model=medium"])
    packing = config.weight_quant.nf4
    with torch.device("meta"):
        model = OmniModel(config.model, config.tokenizer)
    sizes = [linear.weight.numel() for _, linear in chosen_linears(model, packing)]
    hold_tables(model, packing.tables)
    write_header(tmp_path / "model", expected_tensors(model, NF4File(packing)))
    save_weights(AudioTokenizer(config.tokenizer).shipped_state(), tmp_path / "tokenizer", StoredWeights.int8)
    report = bits_report(tmp_path / "model", tmp_path / "tokenizer")
    assert report.packed is not None
    assert report.packed.num_parameters == sum(sizes)
    assert report.packed.num_bytes == sum(map(packed_bytes, sizes)) + VALUES_BYTES
    assert report.packed.bits_per_parameter <= BITS
    assert report.whole.num_parameters > 100e6
    assert report.whole.memory_ratio <= SHARE_OF_FP16


def test_widths_that_the_kernel_gets_wrong_are_refused() -> None:
    with pytest.raises(ValueError, match=r"blocks.0 \(96\).*multiples of 64"):
        quantize_model(OneLinear(64, 96), NF4Config())


def test_nothing_chosen_is_named() -> None:
    with pytest.raises(ValueError, match="chooses no linear"):
        quantize_model(OneLinear(8, 8), NF4Config(blocks=False))
    with pytest.raises(ValueError, match="multiple of 64"):
        nf4_round_trip(torch.zeros(3, 5))
