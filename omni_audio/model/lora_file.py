"""Files of adapters: a safetensors file apart from the base, which it knows by a fingerprint."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from omni_audio.checks import require, require_file, require_same_tensors
from omni_audio.files import written_whole
from omni_audio.model.lora import (
    PRODUCTS,
    LoraConfig,
    LoraLayer,
    attach,
    is_adapter,
    lora_config,
    lora_layers,
    new_layers,
)
from omni_audio.model.transformer import OmniModel
from omni_audio.plain import from_plain, to_plain

METADATA = "omni_audio.lora"
"""The one key of the metadata: of several the order is drawn, and the same adapters shall give the same file."""
CONFIG, BASE, ADAPTERS = "config", "base", "adapters"
"""Keys of the JSON object under it: the config, and the fingerprints of the base and of the adapters."""


def _fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """16 hex digits of names, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def base_fingerprint(model: OmniModel) -> str:
    """16 hex digits of the base's tensors as they lie in memory: the same before, with, and after merging adapters.

    The same weights in another form (NF4, bfloat16) are another base: adapters are trained beside one of them.
    """
    layers = lora_layers(model)
    base: dict[str, Tensor] = {}
    for key, tensor in model.state_dict().items():
        layer_name, inside, rest = key.partition(".base.")
        if inside and layer_name in layers:
            base[f"{layer_name}.{rest}"] = tensor
        elif not is_adapter(key):
            base[key] = tensor
    for name, layer in layers.items():
        if layer.kept is not None:
            base[PRODUCTS.get(name, f"{name}.weight")] = layer.kept
    return _fingerprint(base)


def save_lora(path: Path, model: OmniModel) -> None:
    """Writes the adapters, whole or not at all: a few per cent of the base's size, float32.

    Raises:
        ValueError: the model has no adapters.
    """
    config = lora_config(model)
    require(
        config is not None, "adapters of the model", "none", "a model with adapters", "Call add_lora first."
    )
    tensors = _parameters(lora_layers(model))
    facts = {CONFIG: to_plain(config), BASE: base_fingerprint(model), ADAPTERS: _fingerprint(tensors)}
    with written_whole(path) as draft:
        save_file(
            {name: tensor.detach().contiguous() for name, tensor in tensors.items()},
            draft,
            {METADATA: json.dumps(facts)},
        )
        draft.chmod(0o644)


def load_lora(path: Path, model: OmniModel) -> LoraConfig:
    """Puts the adapters of a file into the model, in place, as add_lora does; returns their config.

    A model that has adapters of the same config already takes the file's in their place. Nothing is changed where
    anything is wrong.

    Raises:
        ValueError: the file is missing, damaged or of something else; it was made for another base; the model's
            adapters are of another config, or merged.
    """
    config, base, tensors = read_lora(path)
    own = lora_config(model)
    if own is not None:
        differing = {name for name, value in to_plain(own).items() if to_plain(config)[name] != value}
        require(
            not differing,
            f"adapters of {path}",
            {name: getattr(config, name) for name in sorted(differing)},
            f"those of the model's adapters, { ({name: getattr(own, name) for name in sorted(differing)}) }",
            "Load the file into a model without adapters, or make them with its config.",
        )
    layers = lora_layers(model)
    require(
        all(layer.kept is None for layer in layers.values()),
        "adapters of the model",
        "merged",
        "not merged",
        "Call unmerge_lora first.",
    )
    expected = base_fingerprint(model)
    require(
        base == expected,
        f"base of {path}",
        base,
        f"this model, {expected}",
        "Load the build that the adapters were trained on, with the same weight_quant.",
    )
    is_new = not layers
    if is_new:
        layers = new_layers(model, config)
    parameters = _parameters(layers)
    found, wanted = ({name: t.shape for name, t in some.items()} for some in (tensors, parameters))
    remedy = "Save or copy the file again."
    require_same_tensors(path, found, wanted, "the adapters of its config", remedy)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])
    if is_new:
        attach(model, layers)
    return config


def _parameters(layers: Mapping[str, LoraLayer]) -> dict[str, Tensor]:
    """The adapters of these layers, by their names in the file."""
    return {
        f"{name}.{kind}": layer.get_parameter(kind)
        for name, layer in layers.items()
        for kind in ("lora_a", "lora_b")
    }


def read_lora(path: Path) -> tuple[LoraConfig, str, dict[str, Tensor]]:
    """Config, fingerprint of the base, and tensors of a file by their names in it.

    Raises:
        ValueError: the file is missing, damaged, or was not written by save_lora.
    """
    require_file("adapters", path)
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        missing = [key for key in (CONFIG, BASE, ADAPTERS) if key not in facts]
        if missing:
            raise ValueError(f"its metadata lack {missing}")
        if facts[ADAPTERS] != _fingerprint(tensors):
            raise ValueError("its bytes are not those that were written")
        return from_plain(LoraConfig, facts[CONFIG], "lora"), facts[BASE], tensors
    except (SafetensorError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read: {' '.join(str(error).split())}. Expected a file of save_lora. "
            "Save or copy it again."
        ) from error
