"""Builds: dated, immutable folders that hold everything an answer needs."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from omni_audio.checks import require, require_file
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import ModelConfig, OmniModel
from omni_audio.plain import from_plain, to_plain
from omni_audio.tokenizer.tokenizer import AudioTokenizer, TokenizerConfig

CONFIG, CARD, TEXT = "config.json", "card.json", "text.json"
TOKENIZER_WEIGHTS, MODEL_WEIGHTS = "tokenizer.safetensors", "model.safetensors"


def _save_weights(module: nn.Module, path: Path) -> None:
    """Half precision, which halves the file."""
    tensors = {
        name: tensor.detach().to(torch.float16 if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in module.state_dict().items()
    }
    save_file(tensors, path)


def _load_weights(module: nn.Module, path: Path) -> None:
    require_file("weights", path)
    tensors = load_file(path)
    own = module.state_dict()
    differing = sorted(
        own.keys() ^ tensors.keys()
        | {key for key in own.keys() & tensors.keys() if own[key].shape != tensors[key].shape}
    )
    require(
        not differing,
        str(path),
        differing[:3],
        "the tensors of its config.json",
        "Take both files from the same build.",
    )
    module.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in tensors.items()})


def save_tokenizer_build(folder: Path, tokenizer: AudioTokenizer, card: dict[str, Any]) -> None:
    """Writes a build of the audio tokenizer alone."""
    folder.mkdir(parents=True, exist_ok=True)
    _save_weights(tokenizer, folder / TOKENIZER_WEIGHTS)
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n")
    (folder / CONFIG).write_text(json.dumps({"tokenizer": to_plain(tokenizer.config)}, indent=2) + "\n")


def save_build(
    folder: Path, tokenizer: AudioTokenizer, model: OmniModel, text: TextTokenizer, card: dict[str, Any]
) -> None:
    """Writes a whole build; config.json comes last, so that a folder with it is complete."""
    save_tokenizer_build(folder, tokenizer, card)
    _save_weights(model, folder / MODEL_WEIGHTS)
    text.save(folder / TEXT)
    config = {"tokenizer": to_plain(tokenizer.config), "model": to_plain(model.config)}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")


def load_tokenizer(folder: Path) -> AudioTokenizer:
    """The audio tokenizer of a build, in evaluation mode.

    Raises:
        ValueError: a file is missing, or the weights do not fit the config.
    """
    require_file("build config", folder / CONFIG)
    config = json.loads((folder / CONFIG).read_text())
    tokenizer = AudioTokenizer(from_plain(TokenizerConfig, config["tokenizer"], "tokenizer"))
    _load_weights(tokenizer, folder / TOKENIZER_WEIGHTS)
    return tokenizer.eval()


def load_model(folder: Path) -> OmniModel:
    """The network of a build, in evaluation mode, float32.

    Raises:
        ValueError: a file is missing, the build holds a tokenizer only, or the weights do not fit.
    """
    require_file("build config", folder / CONFIG)
    config = json.loads((folder / CONFIG).read_text())
    require(
        "model" in config, "build", str(folder), "a build with a model", "This one holds a tokenizer only."
    )
    model = OmniModel(
        from_plain(ModelConfig, config["model"], "model"),
        from_plain(TokenizerConfig, config["tokenizer"], "tokenizer"),
    )
    _load_weights(model, folder / MODEL_WEIGHTS)
    return model.eval()


def load_card(folder: Path) -> dict[str, Any]:
    """Name, date, recipe, commit and figures of a build."""
    require_file("build card", folder / CARD)
    return json.loads((folder / CARD).read_text())
