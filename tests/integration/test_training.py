"""Real tiny trainings: the whole road, exact resume, Ctrl-C, full disk, wrong folders, and losses that fall."""

import dataclasses
import errno
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lhotse import CutSet, Recording
from lightning.pytorch.callbacks import Callback
from tiny import tiny_model_config, tiny_tokenizer_config
from trainings import (
    OVERRIDES,
    AtStep,
    Road,
    assert_equal,
    assert_same_training,
    checkpoint,
    factory_with,
    press_ctrl_c,
    tiny_config,
)

from omni_audio.audio.augment import Augment, AugmentConfig
from omni_audio.audio.io import load_audio
from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.cli import main
from omni_audio.config import build as config_build
from omni_audio.config.build import trainer_factory
from omni_audio.config.schema import Stage
from omni_audio.data.alignment import align
from omni_audio.data.codes_cache import AcousticCache, CodesCache
from omni_audio.data.corpora.manifests import CorpusPaths, load_cuts, whole_cut, write_cuts
from omni_audio.data.model_data import ModelCollate
from omni_audio.data.speech_cuts import answer_cuts, speech_cuts
from omni_audio.data.tokenizer_data import SemanticCollate, TokenizerCollate
from omni_audio.model.assistant import Assistant, Role, Turn
from omni_audio.model.build import load_tokenizer
from omni_audio.model.depth import DepthConfig
from omni_audio.model.generate import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.discriminator import DiscriminatorConfig
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training import pipeline
from omni_audio.training.adversarial_task import AdversarialConfig, AdversarialTask
from omni_audio.training.ema import EmaWeights
from omni_audio.training.fit import fit
from omni_audio.training.model_task import ModelLossConfig, ModelTask
from omni_audio.training.optim import OptimConfig, TaskTrainingConfig
from omni_audio.training.pipeline import Run, run_stages
from omni_audio.training.semantic_task import SemanticLossConfig, SemanticTask
from omni_audio.training.tokenizer_task import TokenizerLossConfig, TokenizerTask

pytestmark = pytest.mark.usefixtures("ctrl_c_as_before")
KINDS = ("tokenizer", "model")
FAST_ADVERSARIAL = OptimConfig(learning_rate=1e-3, warmup_steps=2)
TRAINING = TaskTrainingConfig(
    max_steps=6,
    batch_duration_s=8.0,
    num_buckets=2,
    checkpoint_every_steps=2,
    validate_every_steps=2,
    num_validation_batches=1,
    log_every_steps=1,
    optim=OptimConfig(warmup_steps=2),
)


def new_task(kind: str, road: Road, training: TaskTrainingConfig, **model: Any) -> Any:
    """A task of a kind with weights of seed 0."""
    torch.manual_seed(0)
    if kind == "tokenizer":
        return TokenizerTask(AudioTokenizer(tiny_tokenizer_config()), TokenizerLossConfig(), training)
    run = Run(road.config, trainer_factory(road.config))
    if kind == "adversarial":
        discriminator = DiscriminatorConfig(windows_samples=[128, 256], filters=4)
        adversarial = AdversarialConfig(
            enabled=True,
            discriminator=discriminator,
            discriminator_alone_steps=1,
            discriminator_optim=FAST_ADVERSARIAL,
            training=training,
        )
        return AdversarialTask(run.load_acoustic(), TokenizerLossConfig(), adversarial)
    if kind == "semantic":
        return SemanticTask(run.load_acoustic(), SemanticLossConfig(), training)
    tokenizer = run.load_tokenizer()
    # dropout and a drawn part of the frames, so that a resume that draws anew cannot go unseen
    depth = DepthConfig(width=64, num_layers=1, num_heads=2, mlp_width=64, train_fraction=0.5)
    made = OmniModel(
        tiny_model_config(**{"num_text": 400, "dropout": 0.1, "depth": depth, **model}), tokenizer.config
    )
    made.load_codebooks(tokenizer)
    return ModelTask(made, ModelLossConfig(), training)


def data_of(kind: str, road: Road, split: str) -> tuple[Any, Any]:
    """Cuts of a split, and how they become batches."""
    corpus = CorpusPaths.in_folder(road.paths.corpus)
    if kind == "semantic":
        acoustic = AcousticCache.load(road.paths.codes / split)
        return speech_cuts(corpus, split), SemanticCollate(acoustic, 0, augmented=split == "train")
    if kind in ("tokenizer", "adversarial"):
        augment = Augment(AugmentConfig()) if split == "train" else None
        return speech_cuts(corpus, split), TokenizerCollate(augment, 0)
    text = TextTokenizer.load(road.paths.model / "text.json")
    model = new_task("model", road, TRAINING).model
    config = road.config
    codes = CodesCache.load(road.paths.codes / split, road.paths.semantic / split)
    layout, tasks = config.model.layout, config.data.tasks
    cuts = load_cuts(corpus, split)
    ends = align(load_tokenizer(road.paths.semantic / pipeline.TOKENIZER_BUILD), codes, answer_cuts(cuts))
    return cuts, ModelCollate(
        codes,
        text,
        model.vocabulary,
        layout,
        tasks,
        0,
        model.state_width,
        augmented=split == "train",
        word_ends=ends,
    )


def train(kind: str, road: Road, folder: Path, *callbacks: Callback, task: Any = None, **changes: Any) -> Any:
    """Trains a task in a folder; returns it."""
    training = dataclasses.replace(TRAINING, **changes)
    task = new_task(kind, road, training) if task is None else task
    data = data_of(kind, road, "train"), data_of(kind, road, "dev")
    averaged = [EmaWeights(task.tokenizer, 0.9)] if kind in ("tokenizer", "adversarial") else []
    fit(task, kind, folder, training, *data, 0, factory_with(road.config, *callbacks), averaged)
    return task


def test_the_road_gives_a_build_that_answers(road: Road) -> None:
    assert road.paths.build is not None
    assistant = Assistant.load(road.paths.build)
    request = GenerationRequest(mode=Mode.REPLY_AUDIO, max_frames=4, max_text_tokens=8)
    reply = assistant.reply([Turn(role=Role.USER, text="stop the timer")], request)
    assert reply.pcm_S is None or bool(torch.isfinite(reply.pcm_S).all())
    cut = next(iter(load_cuts(CorpusPaths.in_folder(road.paths.corpus), "test")))
    assert isinstance(assistant.transcribe(torch.from_numpy(cut.load_audio()[0])), str)
    assert assistant.card["num_parameters"] > 0
    assert assistant.card["config"]["name"] == "tiny"
    for folder in (road.paths.tokenizer, road.paths.codes, road.paths.semantic, road.paths.model):
        assert (folder / "stage.json").is_file()
        assert not list(folder.rglob("*.tmp"))


def test_what_is_done_is_not_done_again(
    road: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(pipeline, "fit", never)
    monkeypatch.setattr(pipeline, "make_codes", never)
    root = Path(road.config.run_dir)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    assert run_stages(road.config, trainer_factory(road.config)) == road.paths
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before
    said = capsys.readouterr().out
    stages = [stage.value for stage in road.config.stages if stage is not Stage.corpus]
    assert {name: said.count(f"{name}: already done") for name in stages} == dict.fromkeys(stages, 1)


def test_a_folder_of_another_config_is_refused(road: Road) -> None:
    other = tiny_config(Path(road.config.run_dir), "model_training.max_steps=5")
    with pytest.raises(
        ValueError, match=r"begun with another config .*Choose another name=, or delete .*model"
    ):
        run_stages(other, trainer_factory(other))
    other = tiny_config(Path(road.config.run_dir), "tokenizer.encoder.width=24")
    with pytest.raises(ValueError, match=r"begun with another config .*delete .*tokenizer"):
        run_stages(other, trainer_factory(other))


@pytest.mark.parametrize("kind", [*KINDS, "semantic", "adversarial"])
def test_resumed_equals_uninterrupted(road: Road, tmp_path: Path, kind: str) -> None:
    whole = train(kind, road, tmp_path / "whole")
    with pytest.raises(SystemExit):
        train(kind, road, tmp_path / "parts", AtStep(2, press_ctrl_c))
    assert checkpoint(tmp_path / "parts")["global_step"] == 3
    train(kind, road, tmp_path / "parts")
    assert_same_training(checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "parts"))
    assert len(checkpoint(tmp_path / "whole")["optimizer_states"]) == (2 if kind == "adversarial" else 1)
    assert_equal(dict(whole.state_dict()), dict(checkpoint(tmp_path / "parts")["state_dict"]))
    # a training that was stopped after its last step has nothing left to do
    again = train(kind, road, tmp_path / "whole")
    assert_equal(dict(again.state_dict()), dict(whole.state_dict()))
    control = train(kind, road, tmp_path / "other", max_steps=5)
    assert not all(torch.equal(a, b) for a, b in zip(control.parameters(), whole.parameters(), strict=True))


class Clock:
    """A teacher that knows the number of the frame."""

    width = 3

    def __init__(self) -> None:
        self.num_heard = 0

    def features(self, pcm_S: torch.Tensor) -> torch.Tensor:
        self.num_heard += 1
        phase_F = torch.arange(-(-len(pcm_S) // FRAME_SAMPLES)) / 5
        return torch.stack([phase_F.sin(), phase_F.cos(), torch.ones_like(phase_F)], -1)


def test_a_teacher_is_heard_once_and_ships_nothing(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "teacher.pt").write_bytes(b"weights")
    words = ["semantic_loss.teacher=whisper", f"semantic_loss.teacher_source={tmp_path / 'teacher.pt'}"]
    clock = Clock()
    monkeypatch.setattr(pipeline, "load_teacher", lambda *_: clock)
    for max_steps in (2, 4):
        config = tiny_config(Path(road.config.run_dir), *words, f"semantic_training.max_steps={max_steps}")
        run = Run(config, trainer_factory(config))
        assert run.semantic_print != Run(road.config, trainer_factory(road.config)).semantic_print
        run.folders["semantic"] = tmp_path / "semantic"
        run._make_semantic()
    heard = [{cut.recording_id for cut in speech_cuts(run.paths, split)} for split in ("train", "dev")]
    assert clock.num_heard == sum(map(len, heard))
    state = checkpoint(tmp_path / "semantic")["state_dict"]
    assert state["teacher_head.weight"].shape == (3, config.tokenizer.semantic.width)
    assert not any("teacher" in name for name in run.load_tokenizer().state_dict())


def test_the_semantic_level_hears_more_cuts_with_words(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = Path(__file__).parent.parent / "data"
    rows = [json.loads(line) for line in (clips / "transcripts.jsonl").read_text().splitlines()[:2]]
    recordings = [Recording.from_file(clips / row["file"], recording_id=row["file"]) for row in rows]
    manifest = tmp_path / "more.jsonl.gz"
    write_cuts(
        manifest,
        [
            whole_cut(recording.id, recording, row["text"], "somebody")
            for recording, row in zip(recordings, rows, strict=True)
        ],
    )
    shutil.copytree(Path(road.config.run_dir), tmp_path / "run")
    for stage in ("codes", "semantic"):
        shutil.rmtree(tmp_path / "run" / stage)
    heard_in_training: list[str] = []

    def fit_and_note(task: Any, name: str, folder: Path, training: Any, train: Any, *rest: Any) -> None:
        heard_in_training.extend(cut.recording_id for cut in train[0])
        fit(task, name, folder, training, train, *rest)

    monkeypatch.setattr(pipeline, "fit", fit_and_note)
    words = ["stages=[codes,semantic]", f"data.semantic_cuts=[{manifest}]"]
    config = tiny_config(tmp_path / "run", *words)
    paths = run_stages(config, trainer_factory(config))
    assert {recording.id for recording in recordings} < set(heard_in_training)
    heard = AcousticCache.load(paths.codes / "train")
    assert all(heard.copies(recording.id)[0] == 0 for recording in recordings)
    assert not any(AcousticCache.load(paths.codes / "dev").copies(recording.id) for recording in recordings)
    card = json.loads((paths.semantic / pipeline.TOKENIZER_BUILD / "card.json").read_text())
    assert list(card["data"]["semantic_cuts"]) == [str(manifest)]
    assert (
        "semantic_cuts"
        not in json.loads((road.paths.semantic / pipeline.TOKENIZER_BUILD / "card.json").read_text())["data"]
    )
    without = tiny_config(tmp_path / "run", "stages=[codes]")
    with pytest.raises(ValueError, match="begun with another config"):
        run_stages(without, trainer_factory(without))


def test_a_taken_sound_gets_a_semantic_level_that_reads_columns(road: Road, tmp_path: Path) -> None:
    taken = road.paths.semantic / pipeline.TOKENIZER_BUILD
    (tmp_path / "corpus").symlink_to(road.paths.corpus)
    words = [f"tokenizer_build={taken}", "tokenizer.semantic.reads=columns"]
    with pytest.raises(ValueError, match=r"tokenizer\.semantic\.reads.*train_semantic=true"):
        Run(tiny_config(tmp_path, *words), trainer_factory(road.config))
    config = tiny_config(tmp_path, *words, "train_semantic=true", "stages=[tokenizer,codes,semantic]")
    paths = run_stages(config, trainer_factory(config))
    made, before = load_tokenizer(paths.semantic / pipeline.TOKENIZER_BUILD), load_tokenizer(taken)
    assert made.config.semantic.reads_columns
    assert torch.equal(made.vocoder.window, before.vocoder.window)
    cut = next(iter(load_cuts(CorpusPaths.in_folder(paths.corpus), "dev")))
    pcm_BS = torch.from_numpy(cut.load_audio())
    codes = made.encode(pcm_BS)
    assert torch.equal(codes.acoustic_BFK, before.encode(pcm_BS).acoustic_BFK)
    cached = CodesCache.load(paths.codes / "dev", paths.semantic / "dev").codes(cut.recording_id, 0)
    assert float((cached.semantic_BF == codes.semantic_BF).float().mean()) > 0.95


def test_the_semantic_level_of_a_taken_tokenizer_is_trained_further(road: Road, tmp_path: Path) -> None:
    taken = road.paths.semantic / pipeline.TOKENIZER_BUILD
    (tmp_path / "corpus").symlink_to(road.paths.corpus)
    words = [f"tokenizer_build={taken}", "train_semantic=true", "stages=[tokenizer,codes,semantic]"]
    config = tiny_config(tmp_path, *words)
    as_it_is = tiny_config(tmp_path, words[0])
    prints = [Run(one, trainer_factory(one)) for one in (config, as_it_is)]
    assert prints[0].codes_print == prints[1].codes_print
    assert prints[0].semantic_print != prints[1].semantic_print
    trained = load_tokenizer(run_stages(config, trainer_factory(config)).semantic / pipeline.TOKENIZER_BUILD)
    before, after = load_tokenizer(taken).state_dict(), trained.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"semantic"}


def test_ctrl_c_through_the_command_line(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ["train", *OVERRIDES, "stages=[tokenizer]"]
    folders = {name: tmp_path / name for name in ("whole", "parts")}
    for folder in folders.values():
        folder.mkdir()
        (folder / "corpus").symlink_to(road.paths.corpus)

    with monkeypatch.context() as patched:
        stop = AtStep(1, press_ctrl_c)
        patched.setattr(config_build, "trainer_factory", lambda config: factory_with(config, stop))
        assert main.main([*words, f"run_dir={folders['parts']}"]) == 130
    said = " ".join(capsys.readouterr().err.split())
    assert "interrupted. stopped at step 2, saved" in said
    assert "To go on, run: omni-audio train experiment=tiny" in said
    assert json.loads((folders["parts"] / "run_record.json").read_text())["status"] == "interrupted"
    assert not (folders["parts"] / "tokenizer" / "stage.json").exists()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a new process
    for folder in folders.values():
        assert main.main([*words, f"run_dir={folder}"]) == 0
    assert "tokenizer: resuming at step 2 of 4" in capsys.readouterr().out
    whole, parts = (checkpoint(folder / "tokenizer") for folder in folders.values())
    assert_same_training(whole, parts)


def test_checkpoint_of_another_architecture_is_named(road: Road, tmp_path: Path) -> None:
    train("model", road, tmp_path, max_steps=1)
    wider = new_task("model", road, TRAINING, mlp_width=192)
    with pytest.raises(ValueError, match=r"another architecture: shapes .*mlp.*expected"):
        train("model", road, tmp_path, task=wider)
    deeper = new_task("model", road, TRAINING, num_layers=3)
    with pytest.raises(ValueError, match=r"another architecture: missing \['model.blocks.2"):
        train("model", road, tmp_path, task=deeper)
    with pytest.raises(ValueError, match=r"another architecture: missing .*; extra"):
        train("tokenizer", road, tmp_path)


def test_a_file_that_is_no_checkpoint_is_named(road: Road, tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"last.ckpt cannot be read .*Delete it"):
        train("model", road, tmp_path)


def test_full_disk_leaves_the_earlier_checkpoint(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(value: Any, file: Any) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill_the_disk() -> None:
        monkeypatch.setattr(torch, "save", full)

    with pytest.raises(
        OSError, match=r"cannot save .*No space left .*before it is untouched. Free some space"
    ):
        train("model", road, tmp_path, AtStep(3, fill_the_disk))
    assert checkpoint(tmp_path)["global_step"] == 2
    assert not list(tmp_path.rglob("*.tmp"))
    with pytest.raises(OSError, match="there was none before it"):
        train("model", road, tmp_path / "new")
    assert not list((tmp_path / "new").glob("last.ckpt*"))
    monkeypatch.undo()
    train("model", road, tmp_path)
    assert checkpoint(tmp_path)["global_step"] == TRAINING.max_steps


def test_nan_stops_before_it_is_saved(road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = ModelTask.training_step

    def spoilt(task: ModelTask, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = step(task, batch, batch_idx)
        return loss * float("nan") if task.global_step == 3 else loss

    monkeypatch.setattr(ModelTask, "training_step", spoilt)
    with pytest.raises(
        ValueError, match=r"= nan at step 3: expected a finite number. Lower optim.learning_rate"
    ):
        train("model", road, tmp_path)
    saved = checkpoint(tmp_path)
    assert saved["global_step"] == 2
    assert all(bool(torch.isfinite(tensor).all()) for tensor in saved["state_dict"].values())


def recorded_people(folder: Path) -> Path:
    """A manifest of 8 kHz recordings that nobody wrote down."""
    clips = Path(__file__).parent.parent / "data"
    recordings = [Recording.from_file(path).resample(8000) for path in sorted(clips.glob("*.flac"))]
    manifest = folder / "people.jsonl.gz"
    CutSet.from_cuts([recording.to_cut() for recording in recordings]).to_file(manifest)
    return manifest


def test_two_phases_from_any_cuts_with_averaged_weights(
    road: Road, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Without the run's corpus, and without words: spectral, then adversarial with frozen codes, then a build."""
    people = str(recorded_people(tmp_path))
    overrides = [
        "stages=[tokenizer]",
        "adversarial.enabled=true",
        "tokenizer_ema.decay=0.9",
        f"data.speech_cuts={{train: [{people}], dev: [{people}], with_corpus: false}}",
    ]
    config = tiny_config(tmp_path / "run", *overrides)
    paths = run_stages(config, trainer_factory(config))
    first, second = paths.tokenizer, paths.tokenizer / "adversarial"
    shipped = load_tokenizer(first / pipeline.TOKENIZER_BUILD).shipped_state()
    spectral, adversarial = (checkpoint(folder)["callbacks"]["EmaWeights"] for folder in (first, second))
    for name, tensor in shipped.items():
        assert torch.equal(tensor, adversarial[name].half().to(tensor.dtype)), name
        learns = name.startswith(("vocoder.", "quantizer.expand."))
        assert torch.equal(adversarial[name], spectral[name]) is not learns, name
    for folder in (first, second):
        samples = folder / "samples"
        found = {str(path.relative_to(samples)) for path in samples.rglob("*.*")}
        assert found == {
            "original/clip-0.wav",
            *(f"step-{step:07d}/clip-0.{kind}" for step in (2, 4) for kind in ("wav", "png")),
        }
        original, decoded = (
            load_audio(samples / place / "clip-0.wav") for place in ("original", "step-0000004")
        )
        assert original.shape == decoded.shape == (16_000,)
        (metrics,) = folder.glob("metrics/*/metrics.csv")
        logged = set(metrics.read_text().splitlines()[0].split(","))
        assert {f"train/codebook{stage}_entropy_percent" for stage in range(4)} <= logged
    assert {"train/adversarial", "train/feature", "train/discriminator"} <= logged
    card = json.loads((first / pipeline.TOKENIZER_BUILD / "card.json").read_text())
    assert list(card["data"]["speech_cuts"]["train"]) == [people]
    capsys.readouterr()
    run_stages(config, trainer_factory(config))
    assert "tokenizer: already done" in capsys.readouterr().out
    changed = tiny_config(tmp_path / "run", *overrides[:3])
    with pytest.raises(ValueError, match="begun with another config"):
        run_stages(changed, trainer_factory(changed))
    # stopped once in each phase, the run ends in the same build
    parts = tiny_config(tmp_path / "parts", *overrides)
    for _ in ("spectral", "adversarial"):
        with pytest.raises(SystemExit):
            run_stages(parts, factory_with(parts, AtStep(1, press_ctrl_c)))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a new process
    folder = run_stages(parts, trainer_factory(parts)).tokenizer
    assert "adversarial: resuming at step 2 of 4" in capsys.readouterr().out
    resumed = load_tokenizer(folder / pipeline.TOKENIZER_BUILD).shipped_state()
    assert_equal(resumed, shipped)


def test_a_collapse_stops_the_run_before_it_is_saved(road: Road, tmp_path: Path) -> None:
    (tmp_path / "corpus").symlink_to(road.paths.corpus)
    health = "tokenizer_health={window_steps: 3, after_steps: 3, min_entropy_percent: 100.0}"
    config = tiny_config(tmp_path, "stages=[tokenizer]", health)
    with pytest.raises(ValueError, match=r"entropy of codebook \d at step 3 = .*The codes collapse: lower"):
        run_stages(config, trainer_factory(config))
    assert checkpoint(tmp_path / "tokenizer")["global_step"] == 2


@pytest.mark.parametrize("kind", KINDS)
def test_losses_fall_on_one_batch(road: Road, kind: str) -> None:
    training = dataclasses.replace(
        TRAINING, max_steps=1000, optim=OptimConfig(learning_rate=4e-3, warmup_steps=5)
    )
    task = new_task(kind, road, training).train()
    cuts, collate = data_of(kind, road, "train")
    batch = collate(cuts.subset(first=6), 0)

    def losses() -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        if kind == "tokenizer":
            return task._losses(batch)[0]
        found = task.model.losses(batch)
        return {name: getattr(found, name) for name in ("text", "semantic", "acoustic")}

    made: Any = task.configure_optimizers()
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    with torch.no_grad():
        first = {name: float(value) for name, value in losses().items()}
    for _ in range(60):
        optimizer.zero_grad()
        torch.stack(list(losses().values())).sum().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        last = {name: float(value) for name, value in losses().items()}
    wanted = {"mel": 0.8, "ctc": 0.9} if kind == "tokenizer" else dict.fromkeys(first, 0.7)
    for name, share in wanted.items():
        assert last[name] < share * first[name], (name, first, last)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_compiled_blocks_train_through_the_command_line(tmp_path: Path) -> None:
    """In a process of its own: compiling leaves worker processes and settings behind."""
    overrides = [*OVERRIDES, f"run_dir={tmp_path}", "runtime.compile=true"]
    done = subprocess.run(
        [sys.executable, "-m", "omni_audio.cli.main", "train", *overrides],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert list(tmp_path.glob("build/*/model.safetensors"))
