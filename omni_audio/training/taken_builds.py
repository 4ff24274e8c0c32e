"""Builds that a run starts from: are they of its config, and what do its fingerprints and its card tell of them."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omni_audio.checks import require
from omni_audio.model.assistant import WeightQuant
from omni_audio.model.build import (
    MODEL_WEIGHTS,
    TEXT,
    file_hash,
    load_card,
    load_model_config,
    load_tokenizer_config,
    packed_config,
)
from omni_audio.plain import leaves, to_plain
from omni_audio.tokenizer.tokenizer import TokenizerConfig
from omni_audio.weight_quant.config import Int4Config

if TYPE_CHECKING:
    from omni_audio.config.schema import RootConfig

OF_TRAINING = ("dropout", "attention", "hide_frames", "depth.train_fraction", "depth.loss_decay")
"""Keys of `model` that a fine-tuning may set otherwise than its base: no tensor and no sequence depends on them."""


def _differing(part: str, own: Any, stored: Any, free: Collection[str] = ()) -> list[str]:
    """Dotted keys of two configs of a part whose values differ."""
    one, two = leaves(to_plain(own)), leaves(to_plain(stored))
    keys = (one.keys() | two.keys()) - set(free)
    return sorted(f"{part}.{key}" for key in keys if one.get(key) != two.get(key))


def check_tokenizer_build(build: Path, config: TokenizerConfig, trains_semantic: bool) -> None:
    """Raises ValueError that names the keys, unless the config's tokenizer is the build's.

    A semantic level that is trained here may be another one.
    """
    stored = load_tokenizer_config(build)
    semantic = leaves(to_plain(config.semantic) | to_plain(stored.semantic), "semantic")
    differing = _differing("tokenizer", config, stored, semantic if trains_semantic else ())
    require(
        not differing,
        "tokenizer_build",
        str(build),
        f"a build with this config's tokenizer, but these differ: {', '.join(differing)}",
        "Set tokenizer_build=null to train a tokenizer of this config, or leave these keys as the build has them; "
        "with train_semantic=true the keys of tokenizer.semantic may differ.",
    )


def check_base(config: "RootConfig") -> None:
    """Checks what a config asks of the build that the network starts from.

    Raises:
        ValueError: adapters without a base; a base of another tokenizer or network; or what cannot be trained.
    """
    if config.base is None:
        require(
            config.adapters is None,
            "tuning",
            config.tuning.value,
            "whole where base is null: adapters stand beside trained weights",
            "Set base=BUILD, or tuning=whole.",
        )
        return
    taken = "where base is set: its tokenizer is taken as it is"
    require(
        config.tokenizer_build is None,
        "tokenizer_build",
        config.tokenizer_build,
        f"null {taken}",
        "Set tokenizer_build=null, or base=null.",
    )
    require(
        not config.train_semantic,
        "train_semantic",
        True,
        f"false {taken}",
        "Set train_semantic=false: the base's network knows the semantic level that it has.",
    )
    require(
        not config.adversarial.enabled,
        "adversarial.enabled",
        True,
        f"false {taken}",
        "Set adversarial.enabled=false.",
    )
    base = Path(config.base)
    packing = packed_config(base)
    require(
        not isinstance(packing, Int4Config),
        "base",
        config.base,
        "a build of full weights or NF4: nothing is learnt through packed integers",
        "Name the build that it was made from.",
    )
    is_packed = packing is not None
    differing = [
        *_differing("tokenizer", config.tokenizer, load_tokenizer_config(base)),
        *_differing("model", config.model, load_model_config(base), OF_TRAINING),
    ]
    require(
        not differing,
        "base",
        config.base,
        f"a build with this config's tokenizer and network, but these differ: {', '.join(differing)}",
        "Set these keys as `omni-audio build-info BASE --json` shows them, as by model=SIZE, or name another base.",
    )
    require(
        config.adapters is not None or (config.weight_quant.format is WeightQuant.NONE and not is_packed),
        "tuning",
        config.tuning.value,
        "lora where the base's weights are NF4: four bits cannot take small steps",
        "Set tuning=lora, or train a build of full weights with weight_quant=none.",
    )


def base_facts(config: "RootConfig") -> list[Any]:
    """What the fingerprint of a network's training tells of its base; nothing where there is none."""
    if config.base is None:
        return []
    base = Path(config.base)
    facts = {"base": file_hash(base / MODEL_WEIGHTS), "text": file_hash(base / TEXT), "lora": config.adapters}
    is_packed = config.weight_quant.format is WeightQuant.NF4
    return [facts | ({"nf4": config.weight_quant.nf4} if is_packed else {})]


def base_card(config: "RootConfig") -> dict[str, Any]:
    """What the card of a fine-tuned build tells of its base, the data of which it has learnt, too."""
    if config.base is None:
        return {}
    base = Path(config.base)
    card = load_card(base)
    told = {key: card[key] for key in ("date", "fingerprint", "data") if key in card}
    return {"base": {"name": base.name, "weights": file_hash(base / MODEL_WEIGHTS), **told}}
