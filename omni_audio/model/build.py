"""Builds: dated, immutable folders that hold everything an answer needs."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from omni_audio.checks import NotAllowedError, require, require_file, require_same_tensors, unreadable
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import ModelConfig, OmniModel
from omni_audio.plain import from_plain, to_plain
from omni_audio.tokenizer.tokenizer import AudioTokenizer, TokenizerConfig
from omni_audio.weight_quant.config import PACKED, Int4Config, NF4Config
from omni_audio.weight_quant.int8_rows import SCALE, StoredWeights, pack_rows, unpack_rows

CONFIG, CARD, TEXT = "config.json", "card.json", "text.json"
TOKENIZER_WEIGHTS, MODEL_WEIGHTS = "tokenizer.safetensors", "model.safetensors"
PARALLEL_CALLS = "parallel_calls"
"""Key of card.json that says whether training had answers of several tool calls."""


def save_weights(state: dict[str, Tensor], path: Path, stored: StoredWeights = StoredWeights.float16) -> None:
    """Half precision, which halves the file; with int8 the matrices take a quarter, scales of their rows stay whole."""
    kept = pack_rows(state) if stored is StoredWeights.int8 else state
    tensors = {
        name: tensor.detach().to(_stored_dtype(name, tensor)).contiguous() for name, tensor in kept.items()
    }
    save_file(tensors, path)
    path.chmod(0o644)


def _stored_dtype(name: str, tensor: Tensor) -> torch.dtype:
    return torch.float16 if tensor.is_floating_point() and not name.endswith(SCALE) else tensor.dtype


def _load_weights(path: Path, own: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the file, as they are stored; load_state_dict() copies them into the dtypes of `own`.

    Raises:
        ValueError: the file is cut short, or names or shapes differ from those of `own`.
    """
    require_file("weights", path)
    try:
        tensors = unpack_rows(load_file(path), path)
    except SafetensorError as error:
        raise unreadable(path, str(error)) from error
    found, expected = ({name: t.shape for name, t in some.items()} for some in (tensors, own))
    require_same_tensors(path, found, expected)
    return tensors


def require_new(folder: Path) -> None:
    """Raises ValueError where the folder of a build to be made is there already."""
    require(
        not folder.exists(),
        "build",
        str(folder),
        "a folder that is not there yet",
        "Builds are never changed: move or delete the older one to make it anew.",
    )


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the target that takes its name when all is written: a build is whole or not there.

    Raises:
        ValueError: the folder is there already.
    """
    require_new(folder)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    draft.replace(folder)


def _write(
    folder: Path,
    tokenizer: AudioTokenizer,
    card: dict[str, Any],
    config: dict[str, Any],
    stored: StoredWeights,
) -> None:
    save_weights(tokenizer.shipped_state(), folder / TOKENIZER_WEIGHTS, stored)
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n")
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")


def save_tokenizer_build(
    folder: Path,
    tokenizer: AudioTokenizer,
    card: dict[str, Any],
    stored: StoredWeights = StoredWeights.float16,
) -> None:
    """Writes a build of the audio tokenizer alone, whole or not at all.

    Raises:
        ValueError: the folder is there already.
    """
    with whole_folder(folder) as draft:
        _write(draft, tokenizer, card, {"tokenizer": to_plain(tokenizer.config)}, stored)


def save_build(
    folder: Path,
    tokenizer: AudioTokenizer,
    model: OmniModel,
    text: TextTokenizer,
    card: dict[str, Any],
    stored: StoredWeights = StoredWeights.float16,
) -> None:
    """Writes a whole build, or nothing.

    Raises:
        ValueError: the folder is there already.
    """
    with whole_folder(folder) as draft:
        save_weights(model.state_dict(), draft / MODEL_WEIGHTS)
        text.save(draft / TEXT)
        config = {"tokenizer": to_plain(tokenizer.config), "model": to_plain(model.config)}
        _write(draft, tokenizer, card, config, stored)


def read_json(name: str, path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ValueError: there is no such file, or it holds something else.
    """
    require_file(name, path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise unreadable(path, f"it is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise unreadable(path, "it holds no JSON object")
    return value


def read_config(kind: Any, folder: Path, key: str) -> Any:
    """The dataclass `kind` under `key` of a build's config.json.

    Raises:
        ValueError: the file is missing, or cannot be read as that.
    """
    path = folder / CONFIG
    config = read_json("build config", path)
    if key not in config:
        raise unreadable(path, f"key {key!r} is missing")
    try:
        return from_plain(kind, config[key], key)
    except (TypeError, ValueError) as error:
        raise unreadable(path, str(error)) from error


def load_tokenizer_config(folder: Path) -> TokenizerConfig:
    """How the audio tokenizer of a build is made.

    Raises:
        ValueError: the file is missing, or cannot be read.
    """
    return read_config(TokenizerConfig, folder, "tokenizer")


def load_model_config(folder: Path) -> ModelConfig:
    """How the network of a build is made.

    Raises:
        ValueError: the file is missing, or cannot be read.
    """
    return read_config(ModelConfig, folder, "model")


def file_hash(path: Path) -> str:
    """16 hex digits of a file's bytes.

    Raises:
        ValueError: there is no such file.
    """
    require_file("file", path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def load_tokenizer(folder: Path) -> AudioTokenizer:
    """The audio tokenizer of a build, in evaluation mode.

    Raises:
        ValueError: a file is missing, or the weights do not fit the config.
    """
    tokenizer = AudioTokenizer(load_tokenizer_config(folder))
    tokenizer.load_shipped_state(_load_weights(folder / TOKENIZER_WEIGHTS, tokenizer.shipped_state()))
    return tokenizer.eval()


def packed_config(folder: Path) -> NF4Config | Int4Config | None:
    """How the network's weights of a build are packed; None where they are not.

    Raises:
        ValueError: a file is missing or cannot be read, or the build holds a tokenizer only.
    """
    config = read_json("build config", folder / CONFIG)
    require(
        "model" in config,
        "build",
        str(folder),
        "a build with a model",
        "This one holds a tokenizer only.",
    )
    return next((read_config(kind, folder, key) for key, kind in PACKED.items() if key in config), None)


def load_model(folder: Path, config: ModelConfig | None = None) -> OmniModel:
    """The network of a build of full weights, in evaluation mode, float32.

    Args:
        folder: of the build.
        config: other settings of training for a network of the same tensors; None takes the build's.

    Raises:
        ValueError: a file is missing, the build holds a tokenizer only or 4-bit weights, or the weights do not fit.
    """
    packing = packed_config(folder)
    if packing is not None:
        remedy = f"This one is {packing.title} already: name the build that it was made from."
        raise NotAllowedError("build", str(folder), "a build of full weights", remedy)
    model = OmniModel(config or load_model_config(folder), load_tokenizer_config(folder))
    model.load_state_dict(_load_weights(folder / MODEL_WEIGHTS, model.state_dict()))
    return model.eval()


def load_card(folder: Path) -> dict[str, Any]:
    """Name, date, recipe, commit and figures of a build.

    Raises:
        ValueError: the file is missing, or cannot be read.
    """
    return read_json("build card", folder / CARD)
