"""What is asked of a build that a network starts from, and what fingerprints tell of it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._inductor.config
from trainings import tiny_config

from omni_audio.cli import main
from omni_audio.config.schema import RootConfig
from omni_audio.model.build import load_model, save_build
from omni_audio.model.packed_build import quantize_build
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.finetune import starting_model
from omni_audio.training.pipeline import Run
from omni_audio.weight_quant.config import Int4Config, NF4Config


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained build of experiment=tiny, in the folder of a run."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("runs") / "tiny" / "build" / "omni-audio-tiny-2026-01-01"
    config = tiny_config(folder)
    tokenizer = AudioTokenizer(config.tokenizer).eval()
    text = TextTokenizer.train(["turn on the light"], config.model.num_text)
    save_build(folder, tokenizer, OmniModel(config.model, config.tokenizer), text, {"name": folder.name})
    return folder


def prints(config: RootConfig) -> dict[str, str]:
    run = Run(config, lambda: None)
    names = ("tokenizer", "codes", "semantic", "model")
    return {name: getattr(run, f"{name}_print") for name in names}


def refused(match: str, *overrides: str) -> None:
    with pytest.raises(ValueError, match=match):
        Run(tiny_config(Path("nowhere"), *overrides), lambda: None)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (r"weight_quant\.format = 'INT4' .*NONE or NF4 in training", ["weight_quant=int4"]),
        (
            r"model\.attention = 'FLEX' .*SDPA or NAIVE on a CPU",
            ["model.attention=FLEX", "runtime.device=cpu"],
        ),
        (r"runtime\.compile = True .*apt-get install g\+\+", ["runtime.compile=true", "runtime.device=cpu"]),
    ],
)
def test_what_cannot_train_is_refused_before_the_first_stage(said: str, words: list[str]) -> None:
    with torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")}):
        refused(said, *words)
    Run(tiny_config(Path("nowhere"), *words, "stages=[corpus]"), lambda: None)


def test_a_base_of_another_architecture_is_refused(base: Path, tiny_build: Path) -> None:
    refused(
        rf"base = '{base}' is not allowed: .*these differ: model.num_layers, model.window\. Set these keys",
        f"base={base}",
        "model.num_layers=3",
        "model.window=100",
    )
    refused(
        r"these differ: tokenizer.encoder.width, model.depth.width",
        f"base={base}",
        "tokenizer.encoder.width=24",
        "model.depth.width=128",
    )
    refused(rf"base = '{tiny_build}' .*tokenizer\.vq\.code_width", f"base={tiny_build}", "tuning=lora")


def test_settings_of_training_are_free(base: Path) -> None:
    words = [
        "model.dropout=0.2",
        "model.attention=NAIVE",
        "model.hide_frames=0.3",
        "model.depth.loss_decay=0.5",
    ]
    config = tiny_config(Path("nowhere"), f"base={base}", *words)
    Run(config, lambda: None)
    model, stored = starting_model(config), load_model(base)
    assert (model.config, stored.config.dropout) == (config.model, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), stored.parameters(), strict=True))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (r"tuning = 'lora' .*whole where base is null.*Set base=BUILD", ["base=null", "tuning=lora"]),
        (r"tokenizer_build = 'x' .*null where base is set", ["tokenizer_build=x"]),
        (r"adversarial.enabled = True .*false where base is set", ["adversarial.enabled=true"]),
        (r"data.semantic_cuts = .*base is set", ["data.semantic_cuts=[x]"]),
        (r"train_semantic = True .*false where base is set", ["train_semantic=true"]),
        (r"tuning = 'whole' .*lora where .* NF4.*weight_quant=none", ["weight_quant=nf4"]),
    ],
)
def test_what_a_base_cannot_give_is_refused(base: Path, said: str, words: list[str]) -> None:
    refused(said, f"base={base}", *words)


def test_an_nf4_build_takes_adapters_only(base: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    quantize_build(base, packed, NF4Config())
    refused(r"tuning = 'whole' .*lora where .* NF4", f"base={packed}")
    one = tiny_config(Path("nowhere"), f"base={packed}", "tuning=lora", "model.dropout=0.2")
    assert starting_model(one).config.dropout == 0.2
    other = tiny_config(
        Path("nowhere"), f"base={packed}", "tuning=lora", "weight_quant=nf4", "weight_quant.nf4.depth=false"
    )
    with pytest.raises(ValueError, match=r"weight_quant.nf4.depth = False .*with which the NF4 build"):
        starting_model(other)


def test_an_int4_build_takes_nothing(base: Path, tmp_path: Path) -> None:
    quantize_build(base, tmp_path / "packed", Int4Config())
    for tuning in ("lora", "whole"):
        refused(
            r"base = .*full weights or NF4: nothing is learnt",
            f"base={tmp_path / 'packed'}",
            f"tuning={tuning}",
        )


def test_a_base_of_a_tokenizer_alone_is_refused(base: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.safetensors"):
        shutil.copyfile(base / name, tmp_path / name)
    (tmp_path / "config.json").write_text('{"tokenizer": {}}')
    refused("build = .*a build with a model", f"base={tmp_path}")


def test_fingerprints_tell_of_the_base_and_of_the_adapters(base: Path, tmp_path: Path) -> None:
    def of(folder: Path, *words: str) -> dict[str, str]:
        return prints(tiny_config(Path("nowhere"), f"base={folder}", *words))

    other, moved = tmp_path / "other", tmp_path / "moved"
    shutil.copytree(base, moved)
    shutil.copytree(base, other)
    flipped = bytearray((other / "model.safetensors").read_bytes())
    flipped[-1] ^= 1
    (other / "model.safetensors").write_bytes(flipped)
    whole = of(base)
    assert of(moved) == whole
    # where only the tokenizer is taken, everything but the network is the same
    taken = prints(tiny_config(Path("nowhere"), f"tokenizer_build={base}"))
    assert {name for name in whole if whole[name] != taken[name]} == {"model"}
    variants: list[dict[str, Any]] = [
        whole,
        of(other),
        *(of(base, "tuning=lora", *more) for more in ([], ["lora.rank=3"], ["weight_quant=nf4"])),
        taken,
    ]
    assert len({each["model"] for each in variants}) == len(variants)
    assert len({each["semantic"] for each in variants}) == 1
    # what is not used is no part of it
    assert of(base, "lora.rank=3") == whole
    assert of(base, "tuning=lora", "weight_quant.nf4.depth=false") == of(base, "tuning=lora")


def test_the_command_line_takes_a_build_or_its_run(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from omni_audio.training import pipeline

    asked: list[str | None] = []

    def run_stages(config: RootConfig, make_trainer: object) -> None:
        asked.append(config.base)
        raise ValueError("enough")

    monkeypatch.setattr(pipeline, "run_stages", run_stages)
    words = ["train", "experiment=tiny", f"run_dir={tmp_path / 'run'}"]
    for named in (base, base.parents[1]):
        assert main.main([*words, f"base={named}"]) == 2
    assert asked == [str(base)] * 2
    assert main.main([*words, f"base={tmp_path / 'nothing'}"]) == 2
    assert "base = '" in capsys.readouterr().err.splitlines()[-1]
