"""NF4 weights by bitsandbytes: four bits a weight, double quantisation of the block maxima."""

from typing import Any, cast

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn.modules import Linear4bit, Params4bit
from torch import Tensor, nn

from omni_audio.weight_quant.chosen import (
    chosen_linears,
    hold_the_rest,
    replace_module,
    require_no_adapters,
)
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.reference import BLOCK


def empty_layer(linear: nn.Linear, double_quant: bool) -> Linear4bit:
    """An NF4 layer of the linear's widths on the meta device: its weight and bias are yet to be given.

    The kernel that repacks weights for bfloat16 CPUs is off: it takes only widths that are multiples of 32 and 64,
    fails on others, and would change the number format by the machine.
    """
    layer = Linear4bit(
        linear.in_features,
        linear.out_features,
        bias=linear.bias is not None,
        compute_dtype=torch.float32,
        compress_statistics=double_quant,
        quant_type="nf4",
        device="meta",
    )
    layer.support_avx512bf16_for_cpu = False
    if layer.bias is not None:
        layer.bias.requires_grad_(False)
    return layer.train(linear.training)


def make_weight(weight: Tensor, layer: Linear4bit, double_quant: bool, **packed: Any) -> Any:
    """The parameter of an NF4 layer, of weights that are packed when it moves to a device.

    `packed`: bitsandbytes' arguments of codes that are packed already.
    """
    make = cast(Any, Params4bit)  # its __new__ hides behind the stub of torch.Tensor's
    return make(
        weight,
        requires_grad=False,
        compress_statistics=double_quant,
        quant_type="nf4",
        blocksize=BLOCK,
        module=layer,
        **packed,
    )


def to_nf4(linear: nn.Linear, double_quant: bool) -> Linear4bit:
    """The NF4 layer of a linear, where it lies."""
    layer = empty_layer(linear, double_quant)
    layer.weight = make_weight(linear.weight.detach().clone(), layer, double_quant)
    if linear.bias is not None:
        layer.bias = nn.Parameter(linear.bias.detach().clone(), requires_grad=False)
    return layer.to(linear.weight.device)


def quantize_model(model: nn.Module, config: NF4Config) -> list[str]:
    """Replaces the chosen linears by NF4 ones, in place; returns their names.

    Raises:
        ValueError: as chosen_linears(), or the model has adapters.
    """
    require_no_adapters(model)
    chosen = chosen_linears(model, config)
    for name, linear in chosen:
        replace_module(model, name, to_nf4(linear, config.double_quant))
    hold_the_rest(model, config.tables)
    return [name for name, _ in chosen]


def dequantized(layer: Any) -> nn.Linear:
    """A plain float32 linear with the weights that an NF4 layer computes with."""
    weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).float()
    linear = nn.Linear(
        layer.in_features, layer.out_features, bias=layer.bias is not None, device=weight.device
    )
    with torch.no_grad():
        linear.weight.copy_(weight)
        if layer.bias is not None:
            linear.bias.copy_(layer.bias)
    return linear.train(layer.training)


def weight_bytes(model: nn.Module) -> int:
    """Bytes that the parameters hold in memory, statistics of NF4 blocks included."""
    total = 0
    for parameter in model.parameters():
        total += parameter.numel() * parameter.element_size()
        state = getattr(parameter, "quant_state", None)
        while state is not None:
            total += state.absmax.numel() * state.absmax.element_size()
            total += state.code.numel() * state.code.element_size()
            total += 0 if state.offset is None else state.offset.nbytes
            state = state.state2
    return total
