"""NF4 weights by bitsandbytes: four bits a weight, double quantisation of the block maxima."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn.modules import Linear4bit, Params4bit
from torch import nn

from omni_audio.weight_quant.reference import BLOCK


@dataclass(kw_only=True, slots=True)
class NF4Config:
    """Which linears become NF4.

    Attributes:
        blocks: those of the stack.
        depth: those of the depth decoder.
        heads: the main head.
        embeddings_bfloat16: hold look-up tables in bfloat16, which needs no product and so no NF4.
        double_quant: quantise the block maxima too.
    """

    blocks: bool = True
    depth: bool = True
    heads: bool = True
    embeddings_bfloat16: bool = True
    double_quant: bool = True


def _is_chosen(name: str, config: NF4Config) -> bool:
    top = name.split(".")[0]
    return {"blocks": config.blocks, "depth": config.depth, "head": config.heads}.get(top, False)


def _to_nf4(linear: nn.Linear, double_quant: bool) -> Any:
    """One NF4 layer.

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
    )
    make_weight = cast(Any, Params4bit)  # its __new__ hides behind the stub of torch.Tensor's
    layer.weight = make_weight(
        linear.weight.detach().clone(),
        requires_grad=False,
        compress_statistics=double_quant,
        quant_type="nf4",
        blocksize=BLOCK,
        module=layer,
    )
    if linear.bias is not None:
        layer.bias = nn.Parameter(linear.bias.detach().clone(), requires_grad=False)
    layer.support_avx512bf16_for_cpu = False
    return layer.to(linear.weight.device).train(linear.training)


def quantize_model(model: nn.Module, config: NF4Config) -> list[str]:
    """Replaces the chosen linears by NF4 ones, in place; returns their names.

    Raises:
        ValueError: the config chooses no linear of this model, or one whose input width is no multiple of 64: there
            bitsandbytes 0.50 reads the wrong block maxima on the CPU.
    """
    chosen = [
        (name, module)
        for name, module in model.named_modules()
        if type(module) is nn.Linear and _is_chosen(name, config)
    ]
    if not chosen:
        raise ValueError(
            f"weight_quant = {config} chooses no linear of this model. Set weight_quant.nf4.blocks, "
            "weight_quant.nf4.depth or weight_quant.nf4.heads to true."
        )
    odd = [f"{name} ({linear.in_features})" for name, linear in chosen if linear.in_features % BLOCK]
    if odd:
        raise ValueError(
            f"input widths {odd} are not allowed in NF4: expected multiples of {BLOCK}. Change the model's widths, or "
            "leave these parts out by weight_quant.nf4.blocks, weight_quant.nf4.depth or "
            "weight_quant.nf4.heads = false."
        )
    for name, linear in chosen:
        parent_name, _, child = name.rpartition(".")
        setattr(
            model.get_submodule(parent_name) if parent_name else model,
            child,
            _to_nf4(linear, config.double_quant),
        )
    if config.embeddings_bfloat16:
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                module.to(torch.bfloat16)
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
            state = state.state2
    return total
