"""Configs survive JSON exactly, and keys of another version are refused."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_model_config, tiny_tokenizer_config

from omni_audio.model.attention import AttentionBackend
from omni_audio.model.build import load_tokenizer
from omni_audio.model.transformer import ModelConfig
from omni_audio.plain import from_plain, to_plain
from omni_audio.tokenizer.tokenizer import TokenizerConfig


@pytest.mark.parametrize(
    "config",
    [
        TokenizerConfig(),
        tiny_tokenizer_config(),
        ModelConfig(),
        tiny_model_config(attention=AttentionBackend.NAIVE),
    ],
)
def test_round_trip(config: Any) -> None:
    plain = json.loads(json.dumps(to_plain(config)))
    assert from_plain(type(config), plain) == config


def test_unknown_and_missing_keys_are_named() -> None:
    plain = to_plain(ModelConfig())
    extra = {**plain, "wdith": 3}
    with pytest.raises(ValueError, match=r"model has keys .*'wdith'.*expected .*another version"):
        from_plain(ModelConfig, extra, "model")
    missing = {**plain, "depth": {key: value for key, value in plain["depth"].items() if key != "width"}}
    with pytest.raises(ValueError, match=r"model\.depth has keys .*expected .*'width'"):
        from_plain(ModelConfig, missing, "model")


def test_a_key_that_came_later_may_be_missing() -> None:
    plain = to_plain(TokenizerConfig())
    del plain["patch_mel_frames"], plain["vocoder"]["hop_samples"]
    assert from_plain(TokenizerConfig, plain) == TokenizerConfig()
    del plain["vocoder"]["n_fft"]
    with pytest.raises(ValueError, match=r"vocoder has keys .*expected .*'n_fft'"):
        from_plain(TokenizerConfig, plain)


@pytest.mark.parametrize(
    "folder", sorted((Path(__file__).parents[2] / "builds").iterdir()), ids=lambda folder: folder.name
)
def test_every_build_of_the_repository_can_be_read(folder: Path) -> None:
    load_tokenizer(folder)


def test_a_value_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(ValueError, match="levels"):
        from_plain(TokenizerConfig, {**to_plain(TokenizerConfig()), "semantic": bad_semantic()})
    with pytest.raises(ValueError, match="no-such"):
        from_plain(ModelConfig, {**to_plain(ModelConfig()), "attention": "no-such"})


def bad_semantic() -> dict[str, Any]:
    return {**to_plain(TokenizerConfig().semantic), "levels": [1]}


def test_values_of_other_kinds() -> None:
    @dataclasses.dataclass
    class Holder:
        where: Path
        sizes: tuple[int, ...]
        by_name: dict[str, AttentionBackend]
        perhaps: int | None = None

    holder = Holder(Path("a/b"), (1, 2), {"x": AttentionBackend.SDPA})
    assert to_plain(holder) == {"where": "a/b", "sizes": [1, 2], "by_name": {"x": "sdpa"}, "perhaps": None}
    assert from_plain(int | None, None) is None
    assert from_plain(int | None, 3) == 3
