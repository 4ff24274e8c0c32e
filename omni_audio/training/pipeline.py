"""The road from nothing to a build: corpus, tokenizer, codes, semantic, model, build; nothing is done twice."""

import datetime
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lhotse import CutSet

from omni_audio.audio.augment import Augment
from omni_audio.checks import require, require_file
from omni_audio.data.codes_cache import AcousticCache, add_semantics, make_codes
from omni_audio.data.column_augment import ColumnAugment
from omni_audio.data.corpora.manifests import CorpusPaths, each_cut, load_cuts
from omni_audio.data.corpora.synth import DOMAINS, build_corpus, corpus_hash
from omni_audio.data.model_data import corpus_texts
from omni_audio.data.speech_cuts import (
    answer_cuts,
    manifest_digests,
    manifest_sources,
    speech_cuts,
    spoken_cuts,
)
from omni_audio.data.teacher_cache import TeacherCache, make_teacher_features
from omni_audio.data.teachers import load_teacher
from omni_audio.data.tokenizer_data import SemanticCollate
from omni_audio.model.build import (
    CONFIG,
    PARALLEL_CALLS,
    TEXT,
    load_card,
    load_tokenizer,
    save_build,
    save_tokenizer_build,
)
from omni_audio.model.lora_file import read_lora, save_lora
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.plain import to_plain
from omni_audio.record import git_state
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.checkpoint import LAST, weights_hash
from omni_audio.training.compiling import compile_blocks
from omni_audio.training.finetune import ADAPTERS, LoraTask, merged_model, starting_model
from omni_audio.training.fit import count_parameters, count_trained, fit
from omni_audio.training.model_batches import TRAINED_SPLITS, model_batches
from omni_audio.training.model_task import ModelTask
from omni_audio.training.optim import TaskTrainingConfig
from omni_audio.training.runtime import resolve_device
from omni_audio.training.semantic_task import SemanticTask
from omni_audio.training.stages import fingerprint, run_stage
from omni_audio.training.taken_builds import base_card, base_facts, check_base, check_tokenizer_build
from omni_audio.training.tokenizer_phases import TokenizerTraining, phase_facts
from omni_audio.training.trainable import check_trainable

if TYPE_CHECKING:
    from omni_audio.config.schema import RootConfig

STAGES = ("corpus", "tokenizer", "codes", "semantic", "model", "build")
TOKENIZER_BUILD = "tokenizer_build"
SEMANTIC_CUTS = "data.semantic_cuts"
TRAINED_WEIGHTS = "trained_weights_sha256"


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Folders of a run; `build` is None until that stage is done."""

    corpus: Path
    tokenizer: Path
    codes: Path
    semantic: Path
    model: Path
    build: Path | None


class Run:
    """One run of the stages under `config.run_dir`."""

    def __init__(self, config: "RootConfig", make_trainer: Callable[..., Any]) -> None:
        check_trainable(config)
        check_base(config)
        self.config, self.make_trainer = config, make_trainer
        root = Path(config.run_dir).resolve()
        self.folders = {name: root / name for name in STAGES}
        self.paths = CorpusPaths.in_folder(self.folders["corpus"])
        data = config.data
        tokenizer_parts = (
            config.tokenizer,
            config.tokenizer_loss.facts(),
            config.tokenizer_training,
            data.augment,
            config.seed,
        )
        new_parts = phase_facts(config)
        heard = [corpus_hash(data.corpus)] if data.speech_cuts.with_corpus else []
        self.tokenizer_print = fingerprint(*heard, *tokenizer_parts, *new_parts)
        if config.taken_tokenizer is not None:
            check_tokenizer_build(Path(config.taken_tokenizer), config.tokenizer, config.trains_semantic)
            taken = self._taken_tokenizer(Path(config.taken_tokenizer)).fingerprint()
            # an adversarial phase over a build hears what a training from nothing would hear
            more = (
                [*heard, config.tokenizer_loss.facts(), data.augment, config.seed, *new_parts]
                if new_parts
                else []
            )
            self.tokenizer_print = fingerprint(taken, *more)
        require(
            config.trains_semantic or not data.semantic_cuts,
            SEMANTIC_CUTS,
            data.semantic_cuts,
            "[] where tokenizer_build or base is set: its semantic level is taken as it is",
            "Set train_semantic=true (tokenizer_build), or tokenizer_build=null and base=null; or leave the cuts out.",
        )
        self._more_speech = spoken_cuts(data.semantic_cuts, SEMANTIC_CUTS)
        self.codes_print = fingerprint(
            corpus_hash(data.corpus),
            self.tokenizer_print,
            data.augment,
            data.augmented_copies,
            config.seed,
            *([manifest_digests(data.semantic_cuts, SEMANTIC_CUTS)] if data.semantic_cuts else []),
        )
        own_semantic: list[Any] = (
            [config.semantic_loss.facts(), config.semantic_training] if config.trains_semantic else []
        )
        self._reads_columns = config.tokenizer.semantic.reads_columns
        if own_semantic and self._reads_columns:
            own_semantic.append(data.columns)
        self.semantic_print = fingerprint(self.codes_print, *own_semantic, config.seed)
        self.model_print = fingerprint(
            self.semantic_print,
            config.model.facts(),
            config.model_loss,
            config.model_training,
            data.tasks.facts(),
            config.seed,
            *base_facts(config),
        )
        self._trained_file = self.folders["model"] / (LAST if config.adapters is None else ADAPTERS)

    def _heard(self, split: str) -> CutSet:
        """What is encoded of a split: the corpus, and in training what else the semantic level learns from."""
        more = self._more_speech if split == "train" else []
        return CutSet.from_cuts([*each_cut(speech_cuts(self.paths, split)), *more])

    def corpus(self) -> None:
        """Speaks the corpus; it knows itself what is done. The run of the base may have the same one: it is linked."""
        config, folder = self.config, self.folders["corpus"]
        if config.base is not None and not folder.exists():
            theirs = Path(config.base).resolve().parent.parent / folder.name
            if CorpusPaths.in_folder(theirs).is_built(corpus_hash(config.data.corpus)):
                folder.parent.mkdir(parents=True, exist_ok=True)
                folder.symlink_to(theirs)
                print(f"corpus: that of the base, {theirs}", flush=True)
        build_corpus(config.data.corpus, folder)

    def tokenizer(self) -> None:
        """Trains the tokenizer, or takes the weights of `tokenizer_build`."""
        run_stage("tokenizer", self.folders["tokenizer"], self.tokenizer_print, self._make_tokenizer)

    def _make_tokenizer(self) -> None:
        folder, config = self.folders["tokenizer"], self.config
        training = TokenizerTraining(config, self.paths, folder, self.make_trainer)
        if config.taken_tokenizer is not None:
            print(f"tokenizer: taken from {config.taken_tokenizer}", flush=True)
            tokenizer = self._taken_tokenizer(Path(config.taken_tokenizer))
        else:
            tokenizer = training.spectral()
        if config.adversarial.enabled:
            training.adversarial(tokenizer)
        self._save_tokenizer(folder, tokenizer)

    def _taken_tokenizer(self, build: Path) -> AudioTokenizer:
        """The tokenizer of a build; where the config wants another semantic level, a new one over its sound."""
        tokenizer, wanted = load_tokenizer(build), self.config.tokenizer
        if tokenizer.config.semantic == wanted.semantic:
            return tokenizer
        torch.manual_seed(self.config.seed)
        made = AudioTokenizer(wanted)
        made.take_sound(tokenizer)
        return made.eval()

    def _fit_on_speech(
        self, task: Any, name: str, training: TaskTrainingConfig, collates: tuple[Any, Any]
    ) -> None:
        train, dev = (
            (self._heard(split), collate) for split, collate in zip(TRAINED_SPLITS, collates, strict=True)
        )
        fit(task, name, self.folders[name], training, train, dev, self.config.seed, self.make_trainer)

    def _save_tokenizer(self, folder: Path, tokenizer: AudioTokenizer) -> None:
        shutil.rmtree(folder / TOKENIZER_BUILD, ignore_errors=True)
        save_tokenizer_build(
            folder / TOKENIZER_BUILD,
            tokenizer,
            self._card("tokenizer", tokenizer),
            self.config.tokenizer_storage,
        )

    def semantic(self) -> None:
        """Trains the semantic level further, unless it is taken as a build has it; then uses it."""
        run_stage("semantic", self.folders["semantic"], self.semantic_print, self._make_semantic)

    def _make_semantic(self) -> None:
        folder, training, seed = self.folders["semantic"], self.config.semantic_training, self.config.seed
        folders = {split: self.folders["codes"] / split for split in TRAINED_SPLITS}
        caches = {split: AcousticCache.load(path, with_columns=True) for split, path in folders.items()}
        tokenizer = self.load_acoustic()
        if self.config.trains_semantic:
            taught = self._teacher_features()
            columns = (
                ColumnAugment(self.config.data.columns, tokenizer.config.mel) if self._reads_columns else None
            )
            collates = (
                SemanticCollate(caches["train"], seed, True, taught.get("train"), columns),
                SemanticCollate(caches["dev"], seed, False, taught.get("dev")),
            )
            width = taught["train"].width if taught else None
            task = SemanticTask(tokenizer, self.config.semantic_loss, training, width)
            self._fit_on_speech(task, "semantic", training, collates)
        self._save_tokenizer(folder, tokenizer)
        shipped = self.load_tokenizer().to(resolve_device(self.config.runtime.device))
        for split, cache in caches.items():
            add_semantics(shipped, cache).save(folder / split)

    def _teacher_features(self) -> dict[str, TeacherCache]:
        """Features of each split by the frozen teacher, made at the first try; nothing where there is no teacher."""
        loss = self.config.semantic_loss
        if not loss.has_teacher:
            return {}
        paths = {split: self.folders["semantic"] / f"teacher-{split}.safetensors" for split in TRAINED_SPLITS}
        missing = [split for split, path in paths.items() if not path.is_file()]
        if missing:
            device = resolve_device(self.config.runtime.device)
            teacher = load_teacher(loss.teacher, loss.teacher_source, loss.teacher_layer, device)
            for split in missing:
                make_teacher_features(teacher, self._heard(split)).save(paths[split])
        return {split: TeacherCache.load(path) for split, path in paths.items()}

    def load_acoustic(self) -> AudioTokenizer:
        """The tokenizer after its own stage: its acoustic level is final."""
        return load_tokenizer(self.folders["tokenizer"] / TOKENIZER_BUILD)

    def load_tokenizer(self) -> AudioTokenizer:
        """The tokenizer of this run, as it is shipped (rounded to half precision)."""
        return load_tokenizer(self.folders["semantic"] / TOKENIZER_BUILD)

    def codes(self) -> None:
        """Encodes the corpus once with this acoustic level."""
        run_stage("codes", self.folders["codes"], self.codes_print, self._make_codes)

    def _make_codes(self) -> None:
        tokenizer = self.load_acoustic().to(resolve_device(self.config.runtime.device))
        augment = Augment(self.config.data.augment)
        for split in TRAINED_SPLITS:
            answers = {cut.id for cut in answer_cuts(load_cuts(self.paths, split))}
            cuts = self._heard(split)
            copies = self.config.data.augmented_copies if split == "train" else 0
            num_augmented = {cut.id: 0 if cut.id in answers else copies for cut in each_cut(cuts)}
            cache = make_codes(tokenizer, cuts, augment, num_augmented, self.config.seed)
            cache.save(self.folders["codes"] / split)

    def model(self) -> None:
        """Trains the network on the codes, from nothing or from a build, whole or by adapters."""
        run_stage("model", self.folders["model"], self.model_print, self._make_model)

    def _make_model(self) -> None:
        config, folder = self.config, self.folders["model"]
        if config.base is None:
            text = TextTokenizer.train(corpus_texts(load_cuts(self.paths, "train")), config.model.num_text)
        else:
            print(f"model: starts from {config.base}", flush=True)
            text = TextTokenizer.load(Path(config.base) / TEXT)
        text.save(folder / TEXT)
        tokenizer = self.load_tokenizer()
        # Lightning keeps the mode, and that of a loaded network is evaluation.
        model = self._new_model(tokenizer).train()
        train, dev = model_batches(config, self.paths, self.folders, tokenizer, text, model)
        print(f"model: {count_trained(model) / 1e6:.1f} million parameters to train", flush=True)
        if config.runtime.compile:
            compile_blocks(model)
        kind = ModelTask if config.adapters is None else LoraTask
        task = kind(model, config.model_loss, config.model_training)
        fit(
            task,
            "model",
            folder,
            config.model_training,
            train,
            dev,
            config.seed,
            self.make_trainer,
        )
        if config.adapters is not None:
            save_lora(self._trained_file, model)
            print(f"adapters: {self._trained_file}", flush=True)

    def _new_model(self, tokenizer: AudioTokenizer) -> OmniModel:
        """The network as it is before its first step."""
        if self.config.base is not None:
            return starting_model(self.config)
        torch.manual_seed(self.config.seed)
        model = OmniModel(self.config.model, tokenizer.config)
        model.load_codebooks(tokenizer)
        return model

    def build(self) -> Path:
        """Writes the dated build of the trained model, unless this run has one of it already."""
        made = self.newest_build()
        if made is not None:
            print(f"build: already done in {made}", flush=True)
            return made
        tokenizer = self.load_tokenizer()
        state = self._trained_state()
        if self.config.adapters is None:
            model = self._new_model(tokenizer)
            model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in state.items()})
        else:
            model = merged_model(self.config, self._trained_file)
        folder = self.folders["build"] / f"omni-audio-{self.config.size}-{datetime.date.today().isoformat()}"
        text = TextTokenizer.load(self.folders["model"] / TEXT)
        learnt = {PARALLEL_CALLS: self.config.data.tasks.parallel_calls}
        card = self._card(self.config.size, model) | learnt | {TRAINED_WEIGHTS: weights_hash(state)}
        save_build(folder, tokenizer, model, text, card, self.config.tokenizer_storage)
        print(f"build: {folder}", flush=True)
        return folder

    def newest_build(self) -> Path | None:
        """The build of this run's model with the weights that it has trained, if there is one."""
        cards = {path.parent: load_card(path.parent) for path in self.folders["build"].glob(f"*/{CONFIG}")}
        fitting = [folder for folder, card in cards.items() if card.get("fingerprint") == self.model_print]
        if not fitting or not self._trained_file.is_file():
            return None
        trained = weights_hash(self._trained_state())
        return max(
            (folder for folder in fitting if cards[folder].get(TRAINED_WEIGHTS) == trained), default=None
        )

    def _trained_state(self) -> dict[str, torch.Tensor]:
        """What training has made: all weights by their names in a checkpoint, or the adapters."""
        path = self._trained_file
        require_file("trained weights", path)
        if self.config.adapters is not None:
            return read_lora(path)[2]
        return torch.load(path, map_location="cpu", weights_only=False, mmap=True)["state_dict"]

    def _card(self, size: str, module: torch.nn.Module) -> dict[str, Any]:
        state = git_state(Path(__file__).parent)
        data, limits = self._data_facts()
        return {
            "name": f"omni-audio-{size}-{datetime.date.today().isoformat()}",
            "date": datetime.date.today().isoformat(),
            "fingerprint": self.semantic_print if size == "tokenizer" else self.model_print,
            "num_parameters": count_parameters(module),
            "run": self.config.name,
            **state,
            **(base_card(self.config) if size != "tokenizer" else {}),
            "config": to_plain(self.config),
            "data": data,
            "limits": limits,
        }

    def _data_facts(self) -> tuple[dict[str, Any], str]:
        """What the card tells of the data, and of what lies outside of it."""
        speech = self.config.data.speech_cuts
        facts: dict[str, Any] = {}
        # a tokenizer can be trained without the run's own corpus
        if speech.with_corpus or self.paths.datasheet.is_file():
            sheet = json.loads(self.paths.datasheet.read_text())
            facts = {key: sheet[key] for key in ("name", "num_items", "request_hours", "voices", "sources")}
        about = DOMAINS[self.config.data.corpus.domain]
        limits = f"Trained on synthetic speech of one domain, {about}; other speech is outside its reach."
        if not speech.is_plain:
            facts["speech_cuts"] = speech.facts()
        semantic = self.config.data.semantic_cuts
        if further := [*speech.train, *speech.dev, *semantic]:
            facts["further_sources"] = manifest_sources(further)
        if semantic:
            facts["semantic_cuts"] = manifest_digests(semantic, SEMANTIC_CUTS)
        if speech.names_files:
            besides = "too" if speech.with_corpus else "instead"
            limits += f" The tokenizer's own training heard data.speech_cuts {besides}."
        return facts, limits


def run_stages(config: "RootConfig", make_trainer: Callable[..., Any]) -> RunPaths:
    """Runs the stages that the config names, in order.

    Args:
        config: the whole configuration.
        make_trainer: `make_trainer(folder, max_steps, callbacks, **more)` gives a Lightning Trainer.

    Raises:
        ValueError: a stage's inputs are missing, or its folder was begun with another config.
    """
    run = Run(config, make_trainer)
    wanted = {stage.value for stage in config.stages}
    for name in STAGES:
        if name in wanted:
            getattr(run, name)()
    return RunPaths(
        run.folders["corpus"],
        run.folders["tokenizer"],
        run.folders["codes"],
        run.folders["semantic"],
        run.folders["model"],
        run.newest_build(),
    )
