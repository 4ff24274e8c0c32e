"""Networks of a preset's shape with random weights: time and memory do not depend on what the weights know."""

import copy
import dataclasses
from enum import Enum

import torch
from torch import Tensor, nn

from omni_audio.config.load import load_config
from omni_audio.model.transformer import OmniModel
from omni_audio.weight_quant.int4 import pack_model
from omni_audio.weight_quant.nf4 import NF4Config, quantize_model

STACK = ("embed", "blocks", "norm", "head")
"""The parts of the network that a text model has too."""


class Weights(Enum):
    """Number format of the weights that a decode step reads."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    NF4 = "nf4"
    INT4 = "int4"


def untrained_model(preset: str, hears_states: bool = True) -> OmniModel:
    """A network of configs/model/PRESET.yaml, in evaluation mode, float32.

    `hears_states`: as the preset says; otherwise without the states of heard frames, which text has none of.
    """
    config = load_config([f"model={preset}"])
    shape = config.model if hears_states else dataclasses.replace(config.model, semantic_states=False)
    torch.manual_seed(0)
    return OmniModel(shape, config.tokenizer).eval()


def with_weights(model: OmniModel, weights: Weights) -> OmniModel:
    """The network itself in float32, or a copy in the other format.

    bfloat16 is for autocast: the products of blocks and head get weights that need no cast, all else stays float32.
    """
    if weights is Weights.FLOAT32:
        return model
    model = copy.deepcopy(model)
    if weights is Weights.NF4:
        quantize_model(model, NF4Config())
        return model
    if weights is Weights.INT4:
        pack_model(model)
        return model
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name.split(".")[0] in STACK:
            module.to(torch.bfloat16)
    return model


def stack_parameters(model: OmniModel) -> list[nn.Parameter]:
    """Those of embedding, blocks, last norm and main head; all others are frozen."""
    model.requires_grad_(False)
    parts = [model.get_submodule(name).requires_grad_(True) for name in STACK]
    return [parameter for part in parts for parameter in part.parameters()]


def drawn_ids(model: OmniModel, num_rows: int, length: int) -> Tensor:
    """Text ids (B, T)."""
    vocabulary = model.vocabulary
    return torch.randint(vocabulary.text_start, vocabulary.semantic_start, (num_rows, length))
