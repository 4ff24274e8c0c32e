"""Real tiny fine-tunings of a build: by adapters, beside NF4 weights, and whole; what they leave, and exact resume."""

import functools
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from trainings import (
    AtStep,
    Road,
    assert_same_training,
    checkpoint,
    factory_with,
    press_ctrl_c,
    tiny_config,
)

from omni_audio.cli import main
from omni_audio.config.build import trainer_factory
from omni_audio.config.schema import RootConfig
from omni_audio.model.assistant import Assistant, WeightQuant
from omni_audio.model.build import load_card, load_model
from omni_audio.model.lora import add_lora, is_adapter, lora_layers
from omni_audio.model.lora_file import save_lora
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, pack
from omni_audio.training import pipeline
from omni_audio.training.finetune import starting_model
from omni_audio.training.pipeline import RunPaths, run_stages

pytestmark = pytest.mark.usefixtures("ctrl_c_as_before")
FAST = "model_training.optim.learning_rate=0.02"
LORA = ("tuning=lora", "lora.rank=4", "lora.hearing=true", FAST)
KINDS = {
    "lora": (*LORA, "lora.dropout=0.1"),
    "nf4": (*LORA, "weight_quant=nf4"),
    "whole": ("model.dropout=0.1", FAST),
}
Tuned = Callable[[str], tuple[RootConfig, RunPaths]]
CLIP = Path(__file__).parents[1] / "data" / "allison-vm-msgsaved.flac"


@pytest.fixture(scope="module")
def prepared(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stages before the network's, with the tokenizer of the road's build."""
    folder = tmp_path_factory.mktemp("prepared") / "run"
    folder.mkdir()
    shutil.copytree(road.paths.corpus, folder / "corpus")
    config = tiny_config(folder, f"base={road.paths.build}", "stages=[tokenizer,codes,semantic]")
    run_stages(config, trainer_factory(config))
    return folder


def tuning(kind: str, road: Road, prepared: Path, folder: Path, *words: str) -> RootConfig:
    """The config of a fine-tuning in a folder, whose first stages are done."""
    shutil.copytree(prepared, folder)
    return tiny_config(folder, f"base={road.paths.build}", *KINDS[kind], *words)


@pytest.fixture(scope="module")
def tuned(road: Road, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """Gives the finished fine-tuning of a kind; each is made once."""

    @functools.cache
    def made(kind: str) -> tuple[RootConfig, RunPaths]:
        config = tuning(kind, road, prepared, tmp_path_factory.mktemp(kind) / "run")
        return config, run_stages(config, trainer_factory(config))

    return made


def base_of(config: RootConfig) -> Path:
    assert config.base is not None
    return Path(config.base)


def adapters_of(paths: RunPaths) -> Path:
    return paths.model / "adapters.safetensors"


def built(paths: RunPaths) -> Path:
    assert paths.build is not None
    return paths.build


def logits(assistant: Assistant) -> Tensor:
    """Of a whole answer, given word by word."""
    builder = assistant.builder().user_text("stop the timer").assistant(Mode.REPLY_TEXT)
    with torch.no_grad():
        return assistant.model.head(assistant.model(pack([[builder.answer_text("it is off").end().build()]])))


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_asked_for_is_trained_and_kept(tuned: Tuned, kind: str) -> None:
    config, paths = tuned(kind)
    saved = checkpoint(paths.model)
    fresh = starting_model(config)
    trained = {f"model.{name}" for name, p in fresh.named_parameters() if p.requires_grad}
    moments = saved["optimizer_states"][0]["state"]
    assert len(moments) == len(trained)
    if kind == "whole":
        assert set(saved["state_dict"]) == {f"model.{name}" for name in fresh.state_dict()}
        assert not adapters_of(paths).exists()
        return
    assert set(saved["state_dict"]) == trained
    assert all(is_adapter(name) for name in trained)
    before = {f"model.{name}": tensor for name, tensor in fresh.state_dict().items() if is_adapter(name)}
    unchanged = [name for name in trained if torch.equal(saved["state_dict"][name], before[name])]
    assert unchanged == []
    assert adapters_of(paths).stat().st_size < (base_of(config) / "model.safetensors").stat().st_size / 4


@pytest.mark.parametrize("kind", KINDS)
def test_tokenizers_are_those_of_the_base(tuned: Tuned, kind: str) -> None:
    config, paths = tuned(kind)
    for name in ("tokenizer.safetensors", "text.json"):
        assert (built(paths) / name).read_bytes() == (base_of(config) / name).read_bytes()
    card = load_card(built(paths))
    assert card["base"]["name"] == base_of(config).name
    assert card["base"]["fingerprint"] == load_card(base_of(config))["fingerprint"] != card["fingerprint"]
    assert card["base"]["data"]["voices"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_merged_build_answers_as_base_and_adapters(tuned: Tuned, kind: str) -> None:
    config, paths = tuned(kind)
    merged, base = Assistant.load(built(paths)), Assistant.load(base_of(config))
    assert merged.model.config == config.model
    change = (logits(merged) - logits(base)).abs().max()
    assert change > 0.1
    if kind == "whole":
        return
    quant = WeightQuant.NF4 if kind == "nf4" else WeightQuant.NONE
    beside = Assistant.load(base_of(config), quant, lora=adapters_of(paths))
    assert len(lora_layers(beside.model)) > 10
    assert not lora_layers(merged.model)
    assert (logits(merged) - logits(beside)).abs().max() < 0.02 * change
    request = GenerationRequest(mode=Mode.REPLY_TEXT, max_text_tokens=6)
    one, two = ([piece.text for piece in each.stream(prompt(each), request)] for each in (merged, beside))
    assert one == two


def prompt(assistant: Assistant):
    return assistant.builder().user_text("stop the timer").assistant(Mode.REPLY_TEXT).build()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_done_is_not_done_again(tuned: Tuned, kind: str, capsys: pytest.CaptureFixture) -> None:
    config, paths = tuned(kind)
    capsys.readouterr()
    assert run_stages(config, trainer_factory(config)) == paths
    assert capsys.readouterr().out.count("already done") == 5


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_equals_uninterrupted(
    tuned: Tuned,
    kind: str,
    road: Road,
    prepared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    _, whole = tuned(kind)
    config = tuning(kind, road, prepared, tmp_path / "run")
    with pytest.raises(SystemExit):
        run_stages(config, factory_with(config, AtStep(1, press_ctrl_c)))
    assert checkpoint(tmp_path / "run" / "model")["global_step"] == 2
    assert adapters_of(whole).name not in {path.name for path in (tmp_path / "run" / "model").iterdir()}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a new process
    capsys.readouterr()
    parts = run_stages(config, trainer_factory(config))
    assert "model: resuming at step 2 of 4" in capsys.readouterr().out
    assert_same_training(checkpoint(whole.model), checkpoint(parts.model))
    files = [(built(each) / "model.safetensors").read_bytes() for each in (whole, parts)]
    assert files[0] == files[1]
    if kind != "whole":
        assert adapters_of(whole).read_bytes() == adapters_of(parts).read_bytes()


@pytest.fixture
def copied(tuned: Tuned, tmp_path: Path) -> RootConfig:
    """A finished fine-tuning by adapters without its build, in a folder of its own."""
    config, _ = tuned("lora")
    shutil.copytree(config.run_dir, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "build")
    return tiny_config(tmp_path / "run", f"base={config.base}", *KINDS["lora"], "stages=[build]")


def test_a_build_needs_the_adapters_of_its_base(copied: RootConfig) -> None:
    path = Path(copied.run_dir) / "model" / "adapters.safetensors"
    written = path.read_bytes()
    path.unlink()
    with pytest.raises(ValueError, match=r"trained weights = .*adapters\.safetensors.*existing file"):
        run_stages(copied, trainer_factory(copied))
    model = load_model(base_of(copied))
    with torch.no_grad():
        model.norm.weight[0] += 1
    add_lora(model, copied.lora)
    save_lora(path, model)
    with pytest.raises(ValueError, match=r"base of .*adapters\.safetensors = .*Load the build"):
        run_stages(copied, trainer_factory(copied))
    path.write_bytes(written)
    assert run_stages(copied, trainer_factory(copied)).build is not None


def test_another_base_in_the_same_folder_is_refused(copied: RootConfig, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(base_of(copied), other)
    flipped = bytearray((other / "model.safetensors").read_bytes())
    flipped[-1] ^= 1
    (other / "model.safetensors").write_bytes(flipped)
    config = tiny_config(Path(copied.run_dir), f"base={other}", *KINDS["lora"])
    with pytest.raises(ValueError, match=r"model was begun with another config or other inputs"):
        run_stages(config, trainer_factory(config))


def test_commands_take_adapters_beside_their_base(tuned: Tuned, capsys: pytest.CaptureFixture) -> None:
    config, paths = tuned("lora")
    base = ["--build", str(base_of(config))]
    words = [*base, "--lora", str(adapters_of(paths))]
    asked = ["chat", "--text", "stop the timer"]
    capsys.readouterr()
    assert main.main([*asked, *words]) == 0
    beside = Assistant.load(base_of(config), lora=adapters_of(paths))
    request = GenerationRequest(mode=Mode.REPLY_TEXT)
    expected = "".join(piece.text for piece in beside.stream(prompt(beside), request)).strip()
    assert f"answer: {expected}\n" in capsys.readouterr().out
    # the same base in the other number format is another base
    packed = [*base, "--lora", str(adapters_of(tuned("nf4")[1]))]
    for wrong in ([*asked, *words, "--nf4"], [*asked, *packed], ["transcribe", str(CLIP), *packed]):
        assert main.main(wrong) == 2
        assert "base of" in capsys.readouterr().err
    assert main.main(["say", "hello", *base, "--out", str(paths.build) + ".wav", "--lora", "nothing"]) == 2
    assert "adapters = 'nothing' is not allowed" in capsys.readouterr().err


def test_a_merged_build_is_the_base_of_the_next(tuned: Tuned, prepared: Path, tmp_path: Path) -> None:
    _, paths = tuned("lora")
    shutil.copytree(prepared, tmp_path / "run")
    again = tiny_config(tmp_path / "run", f"base={paths.build}", *KINDS["whole"])
    made = run_stages(again, trainer_factory(again))
    card = json.loads((built(made) / "card.json").read_text())
    assert card["base"]["name"] == built(paths).name


def test_the_corpus_of_the_base_is_taken_where_it_is_the_same(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (f"base={road.paths.build}", "stages=[corpus]")
    same = tiny_config(tmp_path / "same", *words)
    assert run_stages(same, trainer_factory(same)).corpus.resolve() == road.paths.corpus.resolve()

    spoken: list[Path] = []
    monkeypatch.setattr(pipeline, "build_corpus", lambda config, folder: spoken.append(folder))
    other = tiny_config(tmp_path / "other", *words, "data.corpus.seed=77")
    run_stages(other, trainer_factory(other))
    assert spoken == [tmp_path / "other" / "corpus"]
    assert not spoken[0].exists()
