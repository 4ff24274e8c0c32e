"""Builds of 4-bit weights: made from a build of full weights, and loaded without ever holding these."""

import dataclasses
import datetime
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from omni_audio.checks import require
from omni_audio.model.build import (
    CARD,
    CONFIG,
    MODEL_WEIGHTS,
    TEXT,
    TOKENIZER_WEIGHTS,
    file_hash,
    load_card,
    load_model,
    load_model_config,
    load_tokenizer,
    load_tokenizer_config,
    packed_config,
    read_json,
    require_new,
    save_weights,
    whole_folder,
)
from omni_audio.model.heads import digits_of_ids
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import ModelConfig, OmniModel
from omni_audio.plain import to_plain
from omni_audio.tokenizer.semantic import FiniteScalarQuantizer
from omni_audio.weight_quant.chosen import chosen_linears
from omni_audio.weight_quant.config import Int4Config, NF4Config
from omni_audio.weight_quant.int8_rows import StoredWeights
from omni_audio.weight_quant.packed import PackedFile, load_packed, save_packed

OF_SOURCE = ("name", "date", "fingerprint", "figures")
"""What a card tells of the full weights alone; the card of a packed build has it under `source`."""


def _file_of(config: NF4Config | Int4Config) -> PackedFile:
    """What reads and writes the layers of a format."""
    if isinstance(config, Int4Config):
        from omni_audio.weight_quant.int4_file import Int4File

        return Int4File(config)
    from omni_audio.weight_quant.nf4_file import NF4File  # bitsandbytes, only where it is asked for

    return NF4File(config)


def _card(source: Path, out: Path, config: NF4Config | Int4Config) -> dict[str, Any]:
    """The source's card with what is new; `source.weights` is of the file of the full weights."""
    card = load_card(source)
    weights = file_hash(source / MODEL_WEIGHTS)
    told = {key: card[key] for key in OF_SOURCE if key in card}
    return {
        "name": out.name,
        "date": datetime.date.today().isoformat(),
        "source": {"name": source.name, **told, "weights": weights},
        "weight_quant": {"format": config.key, **to_plain(config)},
        **{key: value for key, value in card.items() if key not in OF_SOURCE},
    }


def quantize_build(source: Path, out: Path, config: NF4Config | Int4Config) -> None:
    """Writes the NF4 or int4 build of a build of full weights: text as it is, network and tokenizer as `config` says.

    Raises:
        ValueError: `out` is there already or lies in the source; the source is packed already, holds a tokenizer only,
            or cannot be read; or four bits cannot hold the network (see weight_quant.chosen.chosen_linears).
    """
    source, out = source.resolve(), out.resolve()
    require(
        source != out and source not in out.parents,
        "out",
        str(out),
        "a folder outside the build that is read",
        "Name another folder.",
    )
    require_new(out)
    model = load_model(source)
    tokenizer = load_tokenizer(source)
    TextTokenizer.load(source / TEXT)
    card = _card(source, out, config)
    form = _file_of(config)
    chosen_linears(model, form.choice)
    with whole_folder(out) as draft:
        save_packed(model, form, draft / MODEL_WEIGHTS)
        if form.choice.tokenizer_int8:
            save_weights(tokenizer.shipped_state(), draft / TOKENIZER_WEIGHTS, StoredWeights.int8)
        else:
            shutil.copyfile(source / TOKENIZER_WEIGHTS, draft / TOKENIZER_WEIGHTS)
        shutil.copyfile(source / TEXT, draft / TEXT)
        (draft / CARD).write_text(json.dumps(card, indent=2) + "\n")
        plain = read_json("build config", source / CONFIG) | {config.key: to_plain(config)}
        (draft / CONFIG).write_text(json.dumps(plain, indent=2) + "\n")


def require_same_nf4(wanted: NF4Config, stored: NF4Config, folder: Path) -> None:
    """Raises ValueError where other settings are wanted than those that an NF4 build was made with."""
    for field in dataclasses.fields(NF4Config):
        value, own = getattr(wanted, field.name), getattr(stored, field.name)
        require(
            value == own,
            f"weight_quant.nf4.{field.name}",
            value,
            f"{own}, with which the NF4 build {folder} was made",
            "Set it so, leave weight_quant out, or quantize the full build anew.",
        )


def load_packed_model(folder: Path, config: ModelConfig | None = None) -> OmniModel:
    """The network of an NF4 or int4 build, in evaluation mode: no packed weight is ever there at full precision.

    Args:
        folder: of the build.
        config: other settings of training for a network of the same tensors; None takes the build's.

    Raises:
        ValueError: it is no such build, a file is missing, the weights do not fit, or int4 cannot be used here.
    """
    packing = packed_config(folder)
    remedy = "Make one with `omni-audio quantize`."
    require(packing is not None, "build", str(folder), "an NF4 or int4 build", remedy)
    assert packing is not None
    tokenizer = load_tokenizer_config(folder)
    with torch.device("meta"):
        model = OmniModel(config or load_model_config(folder), tokenizer)
    load_packed(model, _file_of(packing), folder / MODEL_WEIGHTS)
    levels = tokenizer.semantic.levels  # buffers that follow from them are not stored
    model.frames.semantic_levels = FiniteScalarQuantizer(levels)
    model.head.digits_of_ids = digits_of_ids(model.vocabulary, levels)
    left = [name for name, t in itertools.chain(model.named_parameters(), model.named_buffers()) if t.is_meta]
    assert not left, left
    return model.eval()
