"""Presets of the network, up to billions of parameters, built without memory."""

import pytest
import torch

from omni_audio.config.load import load_config
from omni_audio.config.tree import config_groups
from omni_audio.model.transformer import OmniModel

NUM_PARAMETERS = {
    "tiny": 2_312_564,
    "nano": 12_438_516,
    "small": 31_218_740,
    "medium": 101_569_332,
    "large": 506_041_716,
    "xl": 1_500_815_220,
    "7b": 6_950_749_300,
}
ABOUT_MILLIONS = {"nano": 12, "small": 30, "medium": 100, "large": 500, "xl": 1500, "7b": 7000}


def test_every_preset_has_its_number() -> None:
    assert set(config_groups()["model"]) == NUM_PARAMETERS.keys()
    assert NUM_PARAMETERS.keys() - ABOUT_MILLIONS.keys() == {"tiny"}


@pytest.mark.parametrize("preset", NUM_PARAMETERS)
def test_a_preset_builds_on_the_meta_device(preset: str) -> None:
    config = load_config([f"model={preset}"])
    assert config.size == preset
    with torch.device("meta"):
        model = OmniModel(config.model, config.tokenizer)
    assert all(parameter.is_meta for parameter in model.parameters())
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert num_parameters == NUM_PARAMETERS[preset]
    if preset in ABOUT_MILLIONS:
        assert abs(num_parameters / 1e6 / ABOUT_MILLIONS[preset] - 1) < 0.05
    widths = [
        config.model.width,
        config.model.mlp_width,
        config.model.depth.width,
        config.model.depth.mlp_width,
    ]
    assert all(width % 64 == 0 for width in widths), "NF4 works in blocks of 64"


@pytest.mark.parametrize("preset", NUM_PARAMETERS)
def test_a_preset_builds_with_late_codes(preset: str) -> None:
    config = load_config([f"model={preset}", "+ablation/delay=on"])
    with torch.device("meta"):
        model = OmniModel(config.model, config.tokenizer)
        plain = OmniModel(load_config([f"model={preset}"]).model, config.tokenizer)
    assert model.delays.frames == tuple(range(config.tokenizer.vq.num_codebooks))
    own, whole = ({name: p.numel() for name, p in m.named_parameters()} for m in (model, plain))
    left_out = whole.keys() - own.keys()
    assert own.items() <= whole.items()
    assert {name.split(".")[1] for name in left_out} == {"blocks", "embed"}
    assert all(name.startswith("depth.") for name in left_out)
    assert sum(own.values()) == NUM_PARAMETERS[preset] - sum(whole[name] for name in left_out)
