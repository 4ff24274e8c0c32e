"""NF4: bitsandbytes equals the plain-torch reference; memory falls; bad configs are named."""

import pytest
import torch
from tiny import tiny_model_config
from torch import nn

from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.weight_quant.nf4 import NF4Config, quantize_model, weight_bytes
from omni_audio.weight_quant.reference import nf4_round_trip


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


def test_double_quantisation_stays_near_and_takes_less() -> None:
    torch.manual_seed(0)
    single, double = OneLinear(512, 512), OneLinear(512, 512)
    double.load_state_dict(single.state_dict())
    exact = nf4_round_trip(single.blocks[0].weight.detach())
    quantize_model(single, NF4Config(double_quant=False))
    quantize_model(double, NF4Config(double_quant=True))
    assert weight_bytes(double) < weight_bytes(single)
    assert weight_bytes(double) * 8 / 512**2 < 4.2
    x = torch.eye(512)
    error = (double.blocks[0](x) - exact.t()).abs().max() / exact.abs().max()
    assert 0 < float(error) < 0.02


def test_whole_model_answers_in_a_third_of_the_memory(tiny_tokenizer: AudioTokenizer) -> None:
    torch.manual_seed(0)
    model = OmniModel(tiny_model_config(width=128, mlp_width=256), tiny_tokenizer.config).eval()
    before = weight_bytes(model)
    names = quantize_model(model, NF4Config())
    assert {"head.linear", "head.digits"} <= set(names)
    assert "depth.enter" in names
    assert "blocks.0.attention.qkv" in names
    assert weight_bytes(model) < 0.4 * before
    assert not any(module.training for module in model.modules())
    cache = model.empty_cache(1)
    ids = torch.tensor([[1, 2, 3]])
    none = torch.full((1, 3), -1)
    hidden = model.advance(ids, torch.full((1, 3, 4), -1), none, none >= 0, cache, torch.tensor([0]))
    assert bool(torch.isfinite(model.head(hidden)).all())


def test_widths_that_the_kernel_gets_wrong_are_refused() -> None:
    with pytest.raises(ValueError, match=r"blocks.0 \(96\).*multiples of 64"):
        quantize_model(OneLinear(64, 96), NF4Config())


def test_nothing_chosen_is_named() -> None:
    with pytest.raises(ValueError, match="chooses no linear"):
        quantize_model(OneLinear(8, 8), NF4Config(blocks=False))
    with pytest.raises(ValueError, match="multiple of 64"):
        nf4_round_trip(torch.zeros(3, 5))
