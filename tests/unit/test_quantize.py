"""NF4 builds: the same answers as packing while loading, from a file that never holds the full weights."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn.modules import Linear4bit
from packed_networks import LargestTensor, logits
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import tiny_model_config

from omni_audio.cli import main
from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.model import packed_build
from omni_audio.model.assistant import Assistant, Role, Turn, WeightQuant
from omni_audio.model.build import (
    CARD,
    CONFIG,
    MODEL_WEIGHTS,
    TEXT,
    TOKENIZER_WEIGHTS,
    load_card,
    load_model,
    packed_config,
    save_build,
    save_tokenizer_build,
)
from omni_audio.model.packed_build import load_packed_model, quantize_build
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.weight_quant.chosen import chosen_linears
from omni_audio.weight_quant.config import NF4Config, TableFormat
from omni_audio.weight_quant.nf4 import quantize_model, weight_bytes
from omni_audio.weight_quant.nf4_file import CODE_VALUES, NF4File
from omni_audio.weight_quant.report import bits_report

CONFIGS = [
    NF4Config(),
    NF4Config(double_quant=False),
    NF4Config(depth=False, tables=TableFormat.float32),
    NF4Config(blocks=False, heads=False, tables=TableFormat.bfloat16),
]


@pytest.fixture(scope="module")
def nf4(tiny_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The NF4 build of the tiny build; not to be changed."""
    out = tmp_path_factory.mktemp("nf4") / "omni-audio-tiny-nf4"
    quantize_build(tiny_build, out, NF4Config())
    return out


@pytest.fixture
def broken(nf4: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(nf4, tmp_path / "broken"))


def packed_names(model: torch.nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, Linear4bit)]


@pytest.mark.parametrize("config", CONFIGS, ids=["all", "single", "no depth", "depth alone"])
def test_logits_have_the_same_bytes_as_of_packing_while_loading(
    tiny_build: Path, tmp_path: Path, config: NF4Config
) -> None:
    quantize_build(tiny_build, tmp_path / "nf4", config)
    stored = Assistant.load(tmp_path / "nf4")
    whole = Assistant.load(tiny_build, WeightQuant.NF4, config)
    assert packed_config(tmp_path / "nf4") == config
    assert packed_names(stored.model) == packed_names(whole.model)
    assert logits(stored.model) == logits(whole.model)
    assert logits(stored.model) != logits(load_model(tiny_build)), "packing changes something"
    ours, theirs = stored.model.state_dict(), whole.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(ours[name], tensor), name
    for own, other in zip(stored.model.parameters(), whole.model.parameters(), strict=True):
        assert own.requires_grad == other.requires_grad
    assert weight_bytes(stored.model) == weight_bytes(whole.model)


def test_a_reply_is_the_same_and_the_build_may_go_meanwhile(tiny_build: Path, tmp_path: Path) -> None:
    request = GenerationRequest(mode=Mode.REPLY_AUDIO, max_text_tokens=8, max_frames=8, temperature=1.0)
    quantize_build(tiny_build, tmp_path / "nf4", NF4Config(tokenizer_int8=False))
    stored = Assistant.load(tmp_path / "nf4")
    shutil.rmtree(tmp_path / "nf4")
    turns = [Turn(role=Role.USER, pcm_S=torch.sin(torch.arange(6400) / 9))]
    ours = stored.reply(turns, request)
    theirs = Assistant.load(tiny_build, WeightQuant.NF4).reply(turns, request)
    assert (ours.text, ours.num_frames) == (theirs.text, theirs.num_frames)
    if theirs.pcm_S is not None:
        assert ours.pcm_S is not None
        assert torch.equal(ours.pcm_S, theirs.pcm_S)


def test_the_folder_is_a_build_like_any_other(tiny_build: Path, nf4: Path) -> None:
    assert {path.name for path in nf4.iterdir()} == {path.name for path in tiny_build.iterdir()}
    assert [path.name for path in nf4.parent.iterdir()] == [nf4.name], "no draft is left"
    assert (nf4 / TEXT).read_bytes() == (tiny_build / TEXT).read_bytes()
    card = load_card(nf4)
    assert card["name"] == nf4.name
    assert card["source"]["name"] == tiny_build.name
    assert len(card["source"]["weights"]) == 16
    assert card["weight_quant"] == {
        "format": "nf4", "blocks": True, "depth": True, "heads": True, "frames": True,
        "tables": "int8", "double_quant": True, "tokenizer_int8": True,
    }  # fmt: skip
    assert card["limits"] == "untrained"


def test_the_tokenizer_is_stored_in_8_bits_or_as_it_is(tiny_build: Path, nf4: Path, tmp_path: Path) -> None:
    stored, full = load_file(nf4 / TOKENIZER_WEIGHTS), load_file(tiny_build / TOKENIZER_WEIGHTS)
    rounded = [name for name, tensor in stored.items() if tensor.dtype == torch.int8]
    wide = {name for name, t in full.items() if t.dim() == 2 and t.shape[1] >= 64}
    assert set(rounded) == {name for name in wide if name.endswith(".weight")}
    assert rounded, "the tiny tokenizer has a wide matrix"
    for name in rounded:
        step_R = full[name].float().abs().amax(1) / 127
        whole = stored[name].float() * stored[f"{name}.row_scale"][:, None]
        assert ((whole - full[name].float()).abs() <= 0.51 * step_R[:, None]).all()
    quantize_build(tiny_build, tmp_path / "nf4", NF4Config(tokenizer_int8=False))
    assert (tmp_path / "nf4" / TOKENIZER_WEIGHTS).read_bytes() == (
        tiny_build / TOKENIZER_WEIGHTS
    ).read_bytes()


@pytest.mark.parametrize(("tables", "bits"), [("int8", 8.5), ("bfloat16", 16), ("float32", 32)])
def test_tables_are_held_and_stored_as_asked(
    tiny_build: Path, tmp_path: Path, tables: str, bits: float
) -> None:
    """Rows of 64 numbers; float32 is stored in 16 bits, as in every build."""
    quantize_build(tiny_build, tmp_path / "nf4", NF4Config(tables=TableFormat(tables)))
    model, full = Assistant.load(tmp_path / "nf4").model, load_model(tiny_build)
    names = [name for name, module in full.named_modules() if isinstance(module, torch.nn.Embedding)]
    assert names == ["embed", "frames.table", "depth.embed"]
    for name in names:
        table, own = model.get_submodule(name), full.get_submodule(name)
        held = sum(parameter.nbytes for parameter in table.parameters())
        assert 8 * held / own.get_parameter("weight").numel() == bits
        ids = torch.tensor([[3, 0], [7, 3]])
        step = own(ids).abs().amax(-1, keepdim=True) / 127
        assert ((table(ids).float() - own(ids)).abs() <= 0.51 * step).all()
        stored = load_file(tmp_path / "nf4" / MODEL_WEIGHTS)
        stored_bytes = sum(tensor.nbytes for key, tensor in stored.items() if key.startswith(f"{name}."))
        assert 8 * stored_bytes / own.get_parameter("weight").numel() == min(bits, 16)


def test_the_card_names_the_fingerprint_of_the_source_and_does_not_bear_it(
    tiny_build: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(tiny_build, tmp_path / "source"))
    card = load_card(source) | {"fingerprint": "f00d", "figures": {"wer_percent": 1.5}}
    (source / CARD).write_text(json.dumps(card))
    quantize_build(source, tmp_path / "nf4", NF4Config())
    made = load_card(tmp_path / "nf4")
    assert (made["source"]["fingerprint"], made["source"]["figures"]) == ("f00d", {"wer_percent": 1.5})
    assert not {"fingerprint", "figures"} & made.keys(), "they are of the full weights"


def test_the_full_weights_are_never_there(
    tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer, tmp_path: Path
) -> None:
    model = OmniModel(tiny_model_config(mlp_width=2048), tiny_tokenizer.config).eval()
    save_build(tmp_path / "full", tiny_tokenizer, model, tiny_text, {})
    quantize_build(tmp_path / "full", tmp_path / "nf4", NF4Config())
    widest = model.blocks[0].get_submodule("mlp.gate_up").get_parameter("weight")
    with LargestTensor() as loading:
        load_packed_model(tmp_path / "nf4")
    assert loading.num_bytes < widest.numel() * widest.element_size() / 4
    with LargestTensor() as packing:
        quantize_model(load_model(tmp_path / "full"), NF4Config())
    assert packing.num_bytes >= widest.numel() * widest.element_size(), "the control sees them"


def test_settings_other_than_those_of_the_file_are_refused(tiny_build: Path, nf4: Path) -> None:
    for quant in (WeightQuant.NONE, WeightQuant.NF4):
        assert packed_names(Assistant.load(nf4, quant).model)
        assert packed_names(Assistant.load(nf4, quant, NF4Config()).model)
        with pytest.raises(
            ValueError, match=r"weight_quant.nf4.depth = False .* expected True, with which the NF4 build"
        ):
            Assistant.load(nf4, quant, NF4Config(depth=False))
    with pytest.raises(ValueError, match="expected an NF4 or int4 build"):
        load_packed_model(tiny_build)
    with pytest.raises(ValueError, match="This one is NF4 already"):
        load_model(nf4)


@pytest.mark.parametrize("num_bytes", [0, 5, 1000, -10])
def test_a_file_that_is_cut_short_is_named(broken: Path, num_bytes: int) -> None:
    path = broken / MODEL_WEIGHTS
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(ValueError, match=rf"{MODEL_WEIGHTS} cannot be read: .*build again"):
        Assistant.load(broken)


def rewrite(path: Path, change: dict[str, torch.Tensor | None], facts: dict[str, str] | None = None) -> None:
    """Writes the file anew with other tensors (None leaves one out) or facts."""
    with safe_open(path, framework="pt") as file:
        told = facts or file.metadata()
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    save_file({n: t for n, t in {**tensors, **change}.items() if t is not None}, path, metadata=told)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"head.linear.weight.absmax": None}, "head.linear.weight.absmax.*same build"),
        ({"left_over": torch.zeros(1)}, "left_over"),
        ({"head.linear.weight": torch.zeros(32, 1, dtype=torch.uint8)}, "head.linear.weight"),
        ({"embed.weight": torch.zeros(316, 64)}, "embed.weight"),
        ({CODE_VALUES: torch.zeros(16)}, "not those of NF4"),
    ],
)
def test_weights_of_another_build_are_refused(broken: Path, change: dict[str, Any], said: str) -> None:
    rewrite(broken / MODEL_WEIGHTS, change)
    with pytest.raises(ValueError, match=said):
        Assistant.load(broken)


def test_weights_of_another_format_are_refused(tiny_build: Path, broken: Path) -> None:
    rewrite(broken / MODEL_WEIGHTS, {}, {"format": NF4File.format, "nf4": "{}"})
    with pytest.raises(ValueError, match=r"cannot be read: its nf4 is '\{\}'"):
        Assistant.load(broken)
    shutil.copyfile(tiny_build / MODEL_WEIGHTS, broken / MODEL_WEIGHTS)
    with pytest.raises(ValueError, match="cannot be read: its format is None"):
        Assistant.load(broken)


def test_a_config_with_other_nf4_keys_is_refused(broken: Path) -> None:
    config = json.loads((broken / CONFIG).read_text())
    config["nf4"]["blocksize"] = 128
    (broken / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config.json cannot be read: nf4 has keys .*another version"):
        Assistant.load(broken)


VALUES_BYTES = 4 * 16 + 4 * 256
"""The values that codes and block maxima stand for, floats, once in a file."""


def packed_bytes(num_weights: int) -> int:
    """Of one linear: n / 2 codes, n / 64 maxima, a scale for 256 of these, their mean."""
    num_blocks = num_weights // 64
    return num_weights // 2 + num_blocks + 4 * -(-num_blocks // 256) + 4


def linear_sizes(build: Path, config: NF4Config) -> dict[str, int]:
    """Weights of each linear of a full build that becomes NF4."""
    return {name: linear.weight.numel() for name, linear in chosen_linears(load_model(build), config)}


def test_bits_are_those_of_the_file(nf4: Path, tiny_build: Path) -> None:
    report = bits_report(nf4 / MODEL_WEIGHTS, nf4 / TOKENIZER_WEIGHTS)
    full = bits_report(tiny_build / MODEL_WEIGHTS, tiny_build / TOKENIZER_WEIGHTS)
    assert [row.module for row in report.modules] == [
        "embedding", "blocks", "depth", "head", "hearing", "tokenizer",
    ]  # fmt: skip
    assert full.packed is None
    assert full.whole.memory_ratio == pytest.approx(1, abs=1e-3)
    for ours, theirs in zip(report.modules, full.modules, strict=True):
        assert (ours.module, ours.num_parameters) == (theirs.module, theirs.num_parameters)
    of = {row.module: row for row in report.rows}
    assert of["hearing"].bits_per_parameter == pytest.approx(16, abs=0.1)
    for name in ("embedding", "tokenizer"):
        assert 8 < of[name].bits_per_parameter < 16
    assert 4.1 < of["head"].bits_per_parameter < 4.2
    for name in ("blocks", "depth"):
        assert of["head"].bits_per_parameter < of[name].bits_per_parameter < 16
    held = [t for name in (MODEL_WEIGHTS, TOKENIZER_WEIGHTS) for t in load_file(nf4 / name).values()]
    assert of["whole"].num_bytes == sum(tensor.nbytes for tensor in held)
    assert of["whole"].num_parameters == full.whole.num_parameters
    sizes = linear_sizes(tiny_build, NF4Config())
    assert of["head"].num_bytes == sum(
        packed_bytes(n) for name, n in sizes.items() if name.startswith("head.")
    )
    assert of["NF4 layers"].num_bytes == sum(map(packed_bytes, sizes.values())) + VALUES_BYTES
    assert of["NF4 layers"].num_parameters == sum(sizes.values())


def test_a_broken_write_leaves_nothing(
    tiny_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    out = tmp_path / "builds" / "nf4"
    with monkeypatch.context() as patched:
        patched.setattr(packed_build.shutil, "copyfile", full)
        with pytest.raises(OSError, match="No space left"):
            quantize_build(tiny_build, out, NF4Config())
    assert not list(out.parent.iterdir())
    quantize_build(tiny_build, out, NF4Config())
    assert Assistant.load(out).card["name"] == "nf4"


def failed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that fails prints: one line."""
    assert main.main(words) == main.EXIT_USER_ERROR
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


@pytest.fixture
def bad_builds(
    tiny_build: Path,
    nf4: Path,
    tiny_tokenizer: AudioTokenizer,
    tiny_text: TextTokenizer,
    tmp_path: Path,
) -> dict[str, Path]:
    """Builds that cannot be made NF4."""
    folders = {name: tmp_path / name for name in ("tokenizer", "cut", "text", "foreign", "narrow")}
    save_tokenizer_build(folders["tokenizer"], tiny_tokenizer, {"name": "tokenizer"})
    narrow = OmniModel(tiny_model_config(width=96), tiny_tokenizer.config)
    save_build(folders["narrow"], tiny_tokenizer, narrow, tiny_text, {})
    for name in ("cut", "text", "foreign"):
        shutil.copytree(tiny_build, folders[name])
    weights = folders["cut"] / MODEL_WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-10])
    (folders["text"] / TEXT).write_text("{}")
    (folders["foreign"] / MODEL_WEIGHTS).write_text("not a file of weights")
    return folders | {"nf4": nf4, "absent": tmp_path / "absent"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nf4", "This one is NF4 already"),
        ("tokenizer", "This one holds a tokenizer only"),
        ("cut", f"{MODEL_WEIGHTS} cannot be read"),
        ("text", f"{TEXT} cannot be read"),
        ("foreign", f"{MODEL_WEIGHTS} cannot be read"),
        ("narrow", "multiples of 64"),
        ("absent", "does not exist"),
    ],
)
def test_a_build_that_cannot_be_packed_is_one_line(
    name: str, said: str, bad_builds: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    assert said in failed(["quantize", str(bad_builds[name]), "--out", str(tmp_path / "out")], capsys)
    assert sorted(tmp_path.iterdir()) == before


def test_an_out_folder_that_cannot_be_written_is_one_line(
    tiny_build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = Path(shutil.copytree(tiny_build, tmp_path / "build"))
    held = sorted(build.iterdir())
    (tmp_path / "there").mkdir()
    (tmp_path / "file").touch()
    for out, said in [
        (build, "outside the build that is read"),
        (tmp_path / "there" / ".." / "build", "outside the build that is read"),
        (build / "nf4", "outside the build that is read"),
        (tmp_path / "there", "Builds are never changed"),
        (tmp_path / "file", "Builds are never changed"),
        (tmp_path / "file" / "nf4", "file"),
    ]:
        assert said in failed(["quantize", str(build), "--out", str(out)], capsys)
    assert sorted(build.iterdir()) == held
    assert not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("weight_quant.nf4.dept=false", "depth"),
        ("weight_quant.nf4.depth=maybe", "weight_quant.nf4.depth"),
        ("seed=1", "'seed=1' is not a setting of quantize"),
        ("depth", "is not key=value"),
    ],
)
def test_a_wrong_setting_is_one_line(
    tiny_build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, said: str
) -> None:
    out = tmp_path / "out"
    assert said in failed(["quantize", str(tiny_build), "--out", str(out), word], capsys)
    assert not out.exists()


def test_the_command_writes_a_build_and_build_info_counts_its_bits(
    tiny_build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["quantize", str(tiny_build), "--out", str(out), "weight_quant.nf4.depth=false"]
    assert main.main(words) == 0
    printed = capsys.readouterr().out
    assert f"build: {out}" in printed
    assert packed_config(out) == NF4Config(depth=False)
    assert main.main(["build-info", str(out)]) == 0
    rows = [re.split(r"  +", line, maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    told = {row[0]: row[1] for row in rows}
    assert told["weight_quant.depth"] == "False"
    assert told["source.name"] == tiny_build.name
    assert told["bits of embedding"] in printed
    assert told["bits of whole"].endswith("% of 16 bit")
    assert main.main(["build-info", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    report = bits_report(out / MODEL_WEIGHTS, out / TOKENIZER_WEIGHTS)
    assert told["memory_ratio"] == report.whole.memory_ratio
    assert told["bits_per_parameter"]["depth"] > 12
    sizes = linear_sizes(tiny_build, NF4Config(depth=False)).values()
    num_bytes = sum(map(packed_bytes, sizes)) + VALUES_BYTES  # tiny layers: 4.13 bits are for large ones
    assert told["bits_per_parameter"]["NF4 layers"] == pytest.approx(8 * num_bytes / sum(sizes), abs=1e-9)
    assert main.main(["build-info", str(tiny_build)]) == 0
    assert "bits of" not in capsys.readouterr().out


def test_build_info_of_damaged_weights_is_one_line(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (broken / MODEL_WEIGHTS).write_bytes(b"\x08\x00")
    assert f"{MODEL_WEIGHTS} cannot be read" in failed(["build-info", str(broken)], capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], None),
        (["weight_quant=nf4"], None),
        (["weight_quant=nf4", "weight_quant.nf4.depth=false"], "weight_quant.nf4.depth = False"),
        (["weight_quant.nf4.double_quant=false"], "weight_quant.nf4.double_quant = False"),
    ],
)
def test_serve_takes_an_nf4_build_as_it_is(
    nf4: Path,
    served: list[Assistant],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str | None,
) -> None:
    words = ["serve", f"build={nf4}", "server.port=0", "runtime.num_threads=1", *words]
    if said is None:
        assert main.main(words) == 0
        assert packed_names(served[0].model)
    else:
        assert said in failed(words, capsys)
        assert not served


def test_nf4_settings_for_full_weights_are_refused(
    tiny_build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["serve", f"build={tiny_build}", "server.port=0", "weight_quant.nf4.depth=false"]
    assert "weight_quant.nf4 = " in failed(words, capsys)
    with pytest.raises(
        ValueError, match=r"weight_quant.nf4 = .*no settings where the weights do not become NF4"
    ):
        Assistant.load(tiny_build, WeightQuant.NONE, NF4Config(depth=False))


def test_eval_packs_what_the_config_says(
    tiny_build: Path, nf4: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omni_audio.evaluation import harness

    asked: list[NF4Config | None] = []
    monkeypatch.setattr(harness, "run", lambda _, nf4, **__: asked.append(nf4))
    for more in ([], ["weight_quant.nf4.depth=false"]):
        assert main.main(["eval", "runtime.num_threads=1", f"build={tiny_build}", *more]) == 0
    assert asked == [None, NF4Config(depth=False)]
    whole, part = (AssistantSubject.load(tiny_build, "nf4", nf4=config) for config in asked)
    assert packed_names(part.assistant.model) < packed_names(whole.assistant.model)
    assert packed_names(AssistantSubject.load(nf4, "nf4").assistant.model) == packed_names(
        whole.assistant.model
    )
    with pytest.raises(
        ValueError, match=r"eval.weight_quant = 'none' is not allowed: expected nf4 for an NF4"
    ):
        AssistantSubject.load(nf4, "none")


def test_say_transcribe_and_chat_take_an_nf4_build(nf4: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    clip = Path(__file__).parents[1] / "data" / "allison-vm-msgsaved.flac"
    assert main.main(["say", "hi", "--build", str(nf4), "--out", str(out)]) == 0
    assert main.main(["transcribe", str(clip), "--build", str(nf4)]) == 0
    assert main.main(["chat", "--text", "hi", "--build", str(nf4), "--nf4"]) == 0


def test_bitsandbytes_waits_until_nf4_is_asked_for(tiny_build: Path, nf4: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from omni_audio.cli.main import main\n"
        "from omni_audio.model.assistant import Assistant, WeightQuant\n"
        f"Assistant.load(Path({str(tiny_build)!r}))\n"
        f"Assistant.load(Path({str(tiny_build)!r}), WeightQuant.INT4)\n"
        f"assert main(['build-info', {str(nf4)!r}]) == 0\n"
        "assert 'bitsandbytes' not in sys.modules\n"
        f"Assistant.load(Path({str(nf4)!r}))\n"
        "assert 'bitsandbytes' in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
