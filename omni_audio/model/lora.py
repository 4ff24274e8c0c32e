"""LoRA: small trained matrices beside frozen weights, of full precision or NF4 (then called QLoRA).

Source: LoRA (Hu et al. 2021, section 4.1): W x + alpha / rank * B A x, with A drawn and B = 0, so that the network is
what it was before the first step; QLoRA (Dettmers et al. 2023, section 3): the same beside four-bit weights.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.checks import require, require_positive, require_range
from omni_audio.model.heads import HeadProduct
from omni_audio.model.transformer import OmniModel
from omni_audio.weight_quant.tables import Int8Table

INT4 = "Int4Linear"
"""Its class is named, so that bitsandbytes, which its module needs, is not imported."""
PRODUCTS = {"depth.head_product": "depth.heads", "depth.asked_product": "depth.asked_vectors"}
"""The products that stand for a linear, and the K matrices each of them takes."""


@dataclass(kw_only=True, slots=True)
class LoraConfig:
    """Size of the adapters, and which parts of the network have them.

    Attributes:
        rank: numbers between A and B.
        alpha: the adapters' share is scaled by alpha / rank.
        dropout: share of an adapter's inputs that is set to 0 in training.
        blocks: the linears of the stack.
        depth: those of the depth decoder, its heads, and the vectors that its states ask for.
        head: the main head: the logits of all ids, and those of the FSQ digits.
        hearing: the hearing head, which only training has.
        frames: the linears of the frame embedding.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    blocks: bool = True
    depth: bool = True
    head: bool = True
    hearing: bool = False
    frames: bool = False

    def __post_init__(self) -> None:
        require_positive("lora.rank", self.rank)
        require_positive("lora.alpha", self.alpha)
        require_range("lora.dropout", self.dropout, 0.0, 0.9)
        require(
            bool(self.parts),
            "lora.blocks, depth, head, hearing, frames",
            "all false",
            "at least one part",
            "Set one of them to true.",
        )

    @property
    def parts(self) -> set[str]:
        """The chosen parts, by their names in OmniModel."""
        names = ("blocks", "depth", "head", "hearing", "frames")
        return {name for name in names if getattr(self, name)}

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


class LoraLayer(nn.Module):
    """A frozen layer `base` and its adapter; what both kinds of layer share.

    The adapter is float32 whatever the base is: its steps are too small for less.

    Attributes:
        kept: the base's weight as it was, while the adapter is merged into it; None while it stands beside.
    """

    def __init__(self, base: nn.Module, config: LoraConfig, a: Tensor, b: Tensor) -> None:
        super().__init__()
        self.base, self.config = base, config
        self.dropout = nn.Dropout(config.dropout)
        self.lora_a, self.lora_b = nn.Parameter(a), nn.Parameter(b)
        self.kept: Tensor | None = None
        self.train(base.training)

    def delta(self) -> Tensor:
        """What the adapter adds to the base's weight, in its shape, float32."""
        raise NotImplementedError


class LoraLinear(LoraLayer):
    """A linear, or anything that takes and gives what a linear does, and its adapter: A (R, D), B (E, R)."""

    def __init__(self, base: nn.Linear, config: LoraConfig) -> None:
        device = base.weight.device
        a_RD = torch.empty(config.rank, base.in_features, device=device).normal_(std=base.in_features**-0.5)
        super().__init__(base, config, a_RD, torch.zeros(base.out_features, config.rank, device=device))

    def delta(self) -> Tensor:
        return self.config.scale * (self.lora_b @ self.lora_a)

    def forward(self, x: Tensor) -> Tensor:
        y = self.base(x)
        if self.kept is not None:
            return y
        low = F.linear(self.dropout(x.to(self.lora_a.dtype)), self.lora_a)
        return y + (self.config.scale * F.linear(low, self.lora_b)).to(y.dtype)


class LoraHeads(LoraLayer):
    """A product with K matrices of the depth decoder and its adapters, one a codebook: A (K, D, R), B (K, R, C)."""

    def __init__(self, base: HeadProduct, heads_KDC: Tensor, config: LoraConfig) -> None:
        (num_codebooks, width, codebook_size), device = heads_KDC.shape, heads_KDC.device
        a_KDR = torch.empty(num_codebooks, width, config.rank, device=device).normal_(std=width**-0.5)
        super().__init__(
            base, config, a_KDR, torch.zeros(num_codebooks, config.rank, codebook_size, device=device)
        )

    def delta(self) -> Tensor:
        return self.config.scale * (self.lora_a @ self.lora_b)

    def forward(self, states_MJD: Tensor, heads_KDC: Tensor, first: int = 0) -> Tensor:
        logits_MJC = self.base(states_MJD, heads_KDC, first)
        if self.kept is not None:
            return logits_MJC
        chosen = slice(first, first + states_MJD.shape[1])
        dropped_MJD = self.dropout(states_MJD.to(self.lora_a.dtype))
        low_MJR = torch.einsum("mjd,jdr->mjr", dropped_MJD, self.lora_a[chosen])
        added_MJC = torch.einsum("mjr,jrc->mjc", low_MJR, self.lora_b[chosen])
        return logits_MJC + (self.config.scale * added_MJC).to(logits_MJC.dtype)


def lora_layers(model: nn.Module) -> dict[str, LoraLayer]:
    """The layers that have adapters, by name; empty where the model has none."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def lora_config(model: nn.Module) -> LoraConfig | None:
    """What add_lora was called with; None where the model has no adapters."""
    return next((layer.config for layer in lora_layers(model).values()), None)


def new_layers(model: OmniModel, config: LoraConfig) -> dict[str, LoraLayer]:
    """Fresh adapters around the chosen layers, by name, not yet in the model.

    Raises:
        ValueError: the model has adapters already or int4 weights, or the config chooses no linear of it.
    """
    require(
        not lora_layers(model),
        "adapters of the model",
        lora_config(model),
        "none yet",
        "Fold them in by fold_lora, or take the base anew.",
    )
    packed = [name for name, module in model.named_modules() if type(module).__name__ == INT4]
    require(
        not packed,
        "adapters",
        f"beside int4 weights, as those of {packed[:1]}",
        "beside float or NF4 weights",
        "Load the build with weight_quant=nf4 or none.",
    )
    layers: dict[str, LoraLayer] = {}
    for name, module in model.named_modules():
        if name.partition(".")[0] in config.parts:
            if isinstance(module, nn.Linear):
                layers[name] = LoraLinear(module, config)
            elif isinstance(module, HeadProduct):
                layers[name] = LoraHeads(module, model.get_parameter(PRODUCTS[name]), config)
    require(
        bool(layers),
        "lora",
        config,
        "parts of which one has a linear in this model",
        "Set lora.blocks, lora.depth or lora.head to true.",
    )
    return layers


def attach(model: OmniModel, layers: dict[str, LoraLayer]) -> None:
    """Puts the layers of new_layers into their places, in place; freezes all but the adapters."""
    model.requires_grad_(False)
    for name, layer in layers.items():
        model.set_submodule(name, layer)
        layer.lora_a.requires_grad_(True)
        layer.lora_b.requires_grad_(True)


def add_lora(model: OmniModel, config: LoraConfig) -> list[str]:
    """Adapters on the chosen linears, in place; only they are trained from now on. Returns the layers' names.

    The output stays as it is, bit for bit, until the first step. A base of NF4 weights is quantised before
    (weight_quant.nf4.quantize_model). The names of the base's tensors get a `.base` while the adapters are there: a
    build is made of a model after fold_lora.

    Raises:
        ValueError: the model has adapters already, or the config chooses no linear of it.
    """
    layers = new_layers(model, config)
    attach(model, layers)
    return list(layers)


def is_adapter(tensor_name: str) -> bool:
    """Whether a tensor of a model's state is an adapter's, told by its name."""
    return tensor_name.endswith((".lora_a", ".lora_b"))


def _base_weight(model: OmniModel, name: str) -> Tensor:
    """The frozen weight that the adapter of the layer of this name changes."""
    return model.get_parameter(PRODUCTS.get(name, f"{name}.base.weight"))


def is_nf4(module: nn.Module) -> bool:
    """Whether a module holds four-bit weights, told by the state that bitsandbytes leaves at them."""
    return getattr(getattr(module, "weight", None), "quant_state", None) is not None


def _require_layers(model: OmniModel, is_merged: bool) -> dict[str, LoraLayer]:
    layers = lora_layers(model)
    require(bool(layers), "adapters of the model", "none", "a model with adapters", "Call add_lora first.")
    merged = [name for name, layer in layers.items() if layer.kept is not None]
    require(
        bool(merged) == is_merged,
        "adapters of the model",
        "merged" if merged else "not merged",
        "merged" if is_merged else "not merged",
        "Call merge_lora first." if is_merged else "Call unmerge_lora first.",
    )
    return layers


@torch.no_grad()
def merge_lora(model: OmniModel) -> None:
    """Adds the adapters to the weights, in place: the same output to rounding, at the speed of the base.

    For inference: merged adapters are not trained. The weights as they were are kept aside, so that unmerge_lora gives
    them back bit for bit and adapters can be changed often without drift; that takes the memory of one more copy.

    NF4 weights are refused. The adapters learnt beside the rounded weights; the sum would have to be rounded to four
    bits again, which loses much of what they say, without a word. fold_lora gives the sum in full precision.

    Raises:
        ValueError: no adapters, merged already, or an NF4 base.
    """
    layers = _require_layers(model, is_merged=False)
    packed = [name for name, layer in layers.items() if is_nf4(layer.base)]
    require(
        not packed,
        "base of the adapters",
        f"NF4 weights ({packed[0] if packed else ''} and others)",
        "full precision, as four bits cannot hold the sum",
        "Leave the adapters beside the weights, or call fold_lora for a model of full precision.",
    )
    for name, layer in layers.items():
        weight = _base_weight(model, name)
        layer.kept = weight.detach().clone()
        weight.add_(layer.delta().to(weight))


@torch.no_grad()
def unmerge_lora(model: OmniModel) -> None:
    """Takes the adapters out of the weights again, in place: the base is what it was, bit for bit.

    Raises:
        ValueError: no adapters, or not merged.
    """
    for name, layer in _require_layers(model, is_merged=True).items():
        assert layer.kept is not None
        _base_weight(model, name).copy_(layer.kept)
        layer.kept = None


@torch.no_grad()
def fold_lora(model: OmniModel) -> None:
    """Adds the adapters to the weights for good, in place: a plain model, as of load_model, every weight trainable.

    NF4 weights become float32 everywhere in the model, with the values that the four bits stand for, look-up tables
    too: the sum is what the adapters were trained in. (peft rounds it to four bits again and warns; tools that ship
    models, as Unsloth, give 16 bits.) Such a model may be quantised again, at the loss that merge_lora tells of.

    Raises:
        ValueError: no adapters.
    """
    layers = lora_layers(model)
    require(bool(layers), "adapters of the model", "none", "a model with adapters", "Call add_lora first.")
    packed = [name for name, module in model.named_modules() if is_nf4(module)]
    if packed:
        from omni_audio.weight_quant.nf4 import dequantized  # bitsandbytes, only where its weights are

        for name in packed:
            model.set_submodule(name, dequantized(model.get_submodule(name)))
        for name, module in list(model.named_modules()):
            if isinstance(module, Int8Table):
                model.set_submodule(name, module.whole())
        model.float()
    for name, layer in layers.items():
        if layer.kept is None:
            weight = _base_weight(model, name)
            weight.add_(layer.delta().to(weight))
        model.set_submodule(name, layer.base)
    model.requires_grad_(True)
