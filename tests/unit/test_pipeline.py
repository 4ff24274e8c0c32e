"""What the stages check and say before and after the work: tokenizers that differ, stale builds, devices."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lhotse import AudioSource, CutSet, MonoCut, Recording

from omni_audio.config.load import load_config
from omni_audio.config.schema import RootConfig
from omni_audio.data.corpora.manifests import whole_cut
from omni_audio.data.datamodule import TaskMixConfig
from omni_audio.model.build import load_card, save_tokenizer_build
from omni_audio.model.text import TextTokenizer
from omni_audio.plain import leaves, to_plain
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training import model_batches, pipeline
from omni_audio.training.checkpoint import weights_hash
from omni_audio.training.pipeline import Run
from omni_audio.training.taken_builds import check_tokenizer_build


def config_of(run_dir: Path, *overrides: str) -> RootConfig:
    return load_config(["experiment=tiny", f"run_dir={run_dir}", "runtime.num_threads=1", *overrides])


def never(*_: Any, **__: Any) -> None:
    raise AssertionError("no training here")


def test_a_tokenizer_build_of_another_config_is_refused(tmp_path: Path) -> None:
    build = tmp_path / "tokenizer"
    save_tokenizer_build(build, AudioTokenizer(config_of(tmp_path).tokenizer), {"name": "tokenizer"})
    Run(config_of(tmp_path, f"tokenizer_build={build}"), never)
    changed = [f"tokenizer_build={build}", "tokenizer.vq.decay=0.5", "tokenizer.semantic.levels=[4,5]"]
    with pytest.raises(
        ValueError, match=r"tokenizer.semantic.levels, tokenizer.vq.decay.*tokenizer_build=null"
    ):
        Run(config_of(tmp_path, *changed), never)


@pytest.mark.parametrize(
    "words", [["stages=[corpus,model]"], ["stages=[tokenizer]", "semantic_loss.teacher=whisper"]]
)
def test_another_frame_rate_is_for_a_tokenizer_alone(tmp_path: Path, words: list[str]) -> None:
    of_25_hz = "tokenizer.patch_mel_frames=4"
    with pytest.raises(ValueError, match=r"tokenizer.patch_mel_frames = 4 is not allowed: expected 8"):
        Run(config_of(tmp_path, of_25_hz, *words), never)
    Run(config_of(tmp_path, of_25_hz, "stages=[corpus,tokenizer]"), never)


def test_letters_cannot_teach_codes_that_they_do_not_read(tmp_path: Path) -> None:
    words = ["tokenizer.semantic.reads=columns", "tokenizer.semantic.backprop_to_acoustic=true"]
    with pytest.raises(ValueError, match=r"tokenizer\.semantic\.backprop_to_acoustic = True"):
        Run(config_of(tmp_path, *words), never)


def test_semantic_cuts_beside_a_taken_tokenizer_are_refused(tmp_path: Path) -> None:
    build = tmp_path / "tokenizer"
    save_tokenizer_build(build, AudioTokenizer(config_of(tmp_path).tokenizer), {"name": "tokenizer"})
    words = [f"tokenizer_build={build}", "data.semantic_cuts=[nowhere.jsonl]"]
    with pytest.raises(ValueError, match=r"data\.semantic_cuts = .*tokenizer_build=null"):
        Run(config_of(tmp_path, *words), never)
    with pytest.raises(ValueError, match=r"data\.semantic_cuts = 'nowhere\.jsonl'"):
        Run(config_of(tmp_path, words[1]), never)


def test_what_is_off_is_no_part_of_a_fingerprint(tmp_path: Path) -> None:
    assert "clean_targets" not in config_of(tmp_path).tokenizer_loss.facts()
    assert config_of(tmp_path, "tokenizer_loss.clean_targets=true").tokenizer_loss.facts()["clean_targets"]


def test_parallel_calls_are_part_of_a_fingerprint_only_where_they_are_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainings that were begun before there were any go on."""
    domain = "data.corpus.domain=assistant"
    sequential, parallel = (
        Run(config_of(tmp_path, domain, f"data.tasks.parallel_calls={on}"), never) for on in ("false", "true")
    )
    assert sequential.model_print != parallel.model_print
    assert sequential.semantic_print == parallel.semantic_print
    plain = to_plain(sequential.config.data.tasks)
    del plain["parallel_calls"]
    monkeypatch.setattr(TaskMixConfig, "facts", lambda self: plain)
    assert Run(sequential.config, never).model_print == sequential.model_print
    with pytest.raises(ValueError, match=r"data\.tasks\.parallel_calls = True .*domain=assistant"):
        config_of(tmp_path, "data.tasks.parallel_calls=true")


@pytest.mark.parametrize("is_parallel", [True, False])
def test_the_card_says_whether_several_calls_were_learnt(trained: Run, is_parallel: bool) -> None:
    trained.config.data.tasks.parallel_calls = is_parallel
    assert load_card(trained.build())["parallel_calls"] is is_parallel


@pytest.mark.parametrize("experiment", ["demo", "nano", "assistant_hears"])
def test_the_experiments_fit_the_shipped_tokenizer(experiment: str, tmp_path: Path) -> None:
    config = load_config([f"experiment={experiment}", f"run_dir={tmp_path}"])
    if config.tokenizer_build is None or not Path(config.tokenizer_build).is_dir():
        pytest.skip("the shipped tokenizer is not in this folder")
    check_tokenizer_build(Path(config.tokenizer_build), config.tokenizer, config.trains_semantic)


@pytest.fixture
def trained(tmp_path: Path, tiny_text: TextTokenizer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose model stage is done."""
    config = config_of(tmp_path / "run")
    run = Run(config, never)
    tokenizer = AudioTokenizer(config.tokenizer).eval()
    monkeypatch.setattr(Run, "load_tokenizer", lambda self: tokenizer)
    for name in ("corpus", "model", "build"):
        run.folders[name].mkdir(parents=True)
    facts = dict.fromkeys(("name", "num_items", "request_hours", "voices", "sources"), 0)
    run.paths.datasheet.write_text(json.dumps(facts))
    tiny_text.save(run.folders["model"] / "text.json")
    save_checkpoint(run, run._new_model(run.load_tokenizer()))
    return run


def save_checkpoint(run: Run, model: torch.nn.Module) -> None:
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"state_dict": state}, run.folders["model"] / "last.ckpt")


def test_a_build_of_other_weights_is_stale(trained: Run) -> None:
    assert trained.newest_build() is None
    made = trained.build()
    assert trained.newest_build() == made == trained.build()
    card = json.loads((made / "card.json").read_text())
    model = trained._new_model(trained.load_tokenizer())
    with torch.no_grad():
        model.head.linear.weight[0, 0] += 1e-3
    save_checkpoint(trained, model)
    assert trained.newest_build() is None
    with pytest.raises(ValueError, match="move or delete"):
        trained.build()
    save_checkpoint(trained, trained._new_model(trained.load_tokenizer()))
    assert trained.newest_build() == made
    del card["trained_weights_sha256"]  # as builds of before have it
    (made / "card.json").write_text(json.dumps(card))
    assert trained.newest_build() is None


def test_a_run_without_its_checkpoint_has_no_build(trained: Run) -> None:
    trained.build()
    (trained.folders["model"] / "last.ckpt").unlink()
    assert trained.newest_build() is None


def test_the_hash_of_weights_sees_every_bit_and_no_order() -> None:
    state = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor(True)}
    assert weights_hash(state) == weights_hash(dict(reversed(state.items())))
    others = [
        {**state, "a": torch.tensor([1.0, 2.0000002])},
        {**state, "a": torch.tensor([[1.0, 2.0]])},
        {**state, "b": torch.tensor(False)},
        {"c": state["a"], "b": state["b"]},
    ]
    assert len({weights_hash(each) for each in [state, *others]}) == 5


def test_the_codes_stage_computes_on_the_device_of_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tmp_path)
    run = Run(config, never)
    asked: list[Any] = []
    used: list[str] = []

    class Nothing:
        def save(self, folder: Path) -> None:
            """Keeps nothing."""

    def make_codes(tokenizer: AudioTokenizer, *_: Any) -> Nothing:
        used.append(tokenizer.device.type)
        return Nothing()

    def resolve(device: Any) -> torch.device:
        asked.append(device)
        return torch.device("meta")

    monkeypatch.setattr(Run, "load_acoustic", lambda self: AudioTokenizer(config.tokenizer))
    monkeypatch.setattr(pipeline, "resolve_device", resolve)
    monkeypatch.setattr(pipeline, "make_codes", make_codes)
    for name in ("load_cuts", "speech_cuts"):
        monkeypatch.setattr(pipeline, name, lambda *_: [])
    monkeypatch.setattr(pipeline, "each_cut", lambda cuts: cuts)
    run._make_codes()
    assert used == ["meta", "meta"]
    assert asked == [config.runtime.device]


def test_a_config_is_compared_as_it_is_written() -> None:
    config = load_config(["experiment=tiny"]).tokenizer
    assert set(leaves(to_plain(config))) >= {"vq.decay", "semantic.levels"}


def test_answers_are_checked_before_the_model_is_fitted(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    class Collate:
        def __init__(self, codes: str, *_: Any, **__: Any) -> None:
            self.split = Path(codes).name

        def check_answers(self, cuts: str) -> None:
            assert cuts == self.split
            checked.append(cuts)
            if cuts == "dev":
                raise ValueError("item 'x'")

    monkeypatch.setattr(model_batches, "ModelCollate", Collate)
    for module in (pipeline, model_batches):
        monkeypatch.setattr(module, "load_cuts", lambda paths, split: split)
    monkeypatch.setattr(model_batches, "load_drills", lambda paths: [])
    monkeypatch.setattr(pipeline, "corpus_texts", lambda cuts: ["turn on the light"])
    monkeypatch.setattr(model_batches, "each_cut", lambda cuts: [])
    monkeypatch.setattr(model_batches, "answer_cuts", lambda cuts: [])
    monkeypatch.setattr(model_batches, "align", lambda tokenizer, codes, cuts: {})
    monkeypatch.setattr(model_batches.CodesCache, "load", lambda acoustic, semantic: semantic)
    monkeypatch.setattr(pipeline, "fit", never)
    with pytest.raises(ValueError, match="item 'x'"):
        trained._make_model()
    assert checked == ["train", "dev"]


def test_drills_of_the_output_voice_are_said_and_others_are_heard(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = AudioSource(type="file", channels=[0], source="/nowhere/drill.wav")
    drills = [
        whole_cut(name, Recording(name, [source], 16_000, 16_000, 1.0), "light on", voice)
        for name, voice in (("own-1", "joe"), ("other", "espeak-en-us-m1"), ("own-2", "joe"))
    ]
    said: list[list[str]] = []
    fitted: list[str] = []

    class Collate:
        def __init__(self, *_: Any, own_voice: list[MonoCut], **__: Any) -> None:
            said.append([cut.id for cut in own_voice])

        def check_answers(self, cuts: CutSet) -> None:
            """Nothing to check."""

    def fit(task: Any, name: str, folder: Path, training: Any, train: tuple, *_: Any) -> None:
        fitted.extend(cut.id for cut in train[0])

    monkeypatch.setattr(model_batches, "ModelCollate", Collate)
    for module in (pipeline, model_batches):
        monkeypatch.setattr(module, "load_cuts", lambda paths, split: CutSet.from_cuts([]))
    monkeypatch.setattr(model_batches, "load_drills", lambda paths: drills)
    monkeypatch.setattr(pipeline, "corpus_texts", lambda cuts: ["turn on the light"])
    monkeypatch.setattr(model_batches, "align", lambda tokenizer, codes, cuts: {})
    monkeypatch.setattr(model_batches.CodesCache, "load", lambda acoustic, semantic: semantic)
    monkeypatch.setattr(pipeline, "fit", fit)
    trained._make_model()
    assert said == [["own-1", "own-2"], []]
    assert fitted == ["other"]
