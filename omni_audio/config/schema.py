"""The root of the configuration: one dataclass a part, each defined above the module that it configures."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from omni_audio.checks import require
from omni_audio.data.datamodule import DataConfig
from omni_audio.evaluation.harness import EvalConfig
from omni_audio.evaluation.listening import ListeningConfig
from omni_audio.evaluation.suite import Suite
from omni_audio.model.assistant import WeightQuant
from omni_audio.model.lora import LoraConfig
from omni_audio.model.transformer import ModelConfig
from omni_audio.serving.settings import ServerConfig
from omni_audio.tokenizer.tokenizer import TokenizerConfig
from omni_audio.training.adversarial_task import AdversarialConfig
from omni_audio.training.ema import EmaConfig
from omni_audio.training.health import HealthConfig
from omni_audio.training.model_task import ModelLossConfig
from omni_audio.training.optim import TaskTrainingConfig
from omni_audio.training.runtime import RuntimeConfig
from omni_audio.training.samples import SamplesConfig
from omni_audio.training.semantic_task import SemanticLossConfig
from omni_audio.training.tokenizer_task import TokenizerLossConfig
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.int8_rows import StoredWeights

NEWEST = "newest"


class Stage(Enum):
    """A step of `omni-audio train`, in this order."""

    corpus = "corpus"
    tokenizer = "tokenizer"
    codes = "codes"
    semantic = "semantic"
    model = "model"
    build = "build"


class Tuning(Enum):
    """What a training changes: every weight, or LoRA adapters beside the frozen ones of a base."""

    whole = "whole"
    lora = "lora"


@dataclass(kw_only=True, slots=True)
class WeightQuantConfig:
    """The weights that `omni-audio serve` holds in memory, and those that `train` puts adapters beside.

    Attributes:
        format: NONE for the weights as the build stores them, NF4, or INT4: packed integers for CPUs, `serve` alone.
        nf4: Which linears become NF4, where format is NF4.
    """

    format: WeightQuant = WeightQuant.NONE
    nf4: NF4Config = field(default_factory=NF4Config)

    @property
    def asked_nf4(self) -> NF4Config | None:
        """`nf4` where something was set; None leaves it to the build, or to the defaults."""
        return None if self.nf4 == NF4Config() else self.nf4


@dataclass(kw_only=True, slots=True)
class RootConfig:
    """Everything that decides a run.

    Attributes:
        name: The run's name.
        size: Name of the model's size, part of the build's name.
        seed: Of weights, batches and sampling; the corpus has its own, so that runs of several seeds share it.
        run_dir: Where the run writes; `runs/NAME` unless told otherwise.
        stages: What to run; done stages are skipped.
        build: For eval and serve: the build folder, or `newest`.
        tokenizer_build: For train: a build whose tokenizer is taken as it is; None trains one.
        train_semantic: The semantic level of tokenizer_build is trained further, on this run's corpus: its letters are
            then those of this run's words.
        tokenizer_storage: How builds store the tokenizer's weights.
        base: For train: the build that the network starts from, with tokenizer and texts as they are; None starts from
            nothing.
        tuning: What of the base is trained: its whole network, or adapters beside it.
        lora: These adapters, where tuning is lora.
        adversarial: The tokenizer's second phase.
        tokenizer_ema: Averaging of the tokenizer's weights, in both phases.
        tokenizer_health: What stops a training of the tokenizer.
        tokenizer_samples: Dev clips that each validation of the tokenizer decodes to files.
        suite: What `omni-audio eval` measures on.
        suite_folder: For a public suite: its folder (docs/suites.md).
        suite_parts: For a public suite: what of it is run; None takes its usual parts.
        suite_items: For a public suite: how many items of each part are drawn; None takes all.
        suite_sounds: For bfcl and ifeval: recordings of the requests; None types them.
        listening: The test that `suite=listening` writes.
        trainer: `_target_` YAML of a Lightning Trainer, shared by both trainings.
        logger: `_target_` YAML of loggers by name; `csv` is always among them.
    """

    name: str
    size: str
    seed: int
    run_dir: str
    stages: list[Stage] = field(default_factory=lambda: list(Stage))
    build: str = NEWEST
    tokenizer_build: str | None = None
    train_semantic: bool = False
    tokenizer_storage: StoredWeights = StoredWeights.float16
    base: str | None = None
    tuning: Tuning = Tuning.whole
    lora: LoraConfig = field(default_factory=LoraConfig)
    data: DataConfig = field(default_factory=DataConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    tokenizer_loss: TokenizerLossConfig = field(default_factory=TokenizerLossConfig)
    tokenizer_training: TaskTrainingConfig = field(default_factory=TaskTrainingConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    model_loss: ModelLossConfig = field(default_factory=ModelLossConfig)
    semantic_loss: SemanticLossConfig = field(default_factory=SemanticLossConfig)
    semantic_training: TaskTrainingConfig = field(default_factory=TaskTrainingConfig)
    model_training: TaskTrainingConfig = field(default_factory=TaskTrainingConfig)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    tokenizer_ema: EmaConfig = field(default_factory=EmaConfig)
    tokenizer_health: HealthConfig = field(default_factory=HealthConfig)
    tokenizer_samples: SamplesConfig = field(default_factory=SamplesConfig)
    eval: EvalConfig
    suite: Suite = Suite.corpus
    suite_folder: str | None = None
    suite_parts: list[str] | None = None
    suite_items: int | None = None
    suite_sounds: str | None = None
    listening: ListeningConfig = field(default_factory=ListeningConfig)
    server: ServerConfig
    weight_quant: WeightQuantConfig = field(default_factory=WeightQuantConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    trainer: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)

    @property
    def taken_tokenizer(self) -> str | None:
        """The build whose tokenizer is taken as it is: the base, where there is one."""
        return self.tokenizer_build if self.base is None else self.base

    @property
    def trains_semantic(self) -> bool:
        """Whether the stage `semantic` trains, or takes what the build has."""
        return self.taken_tokenizer is None or self.train_semantic

    @property
    def adapters(self) -> LoraConfig | None:
        """The adapters that are trained; None where every weight is."""
        return self.lora if self.tuning is Tuning.lora else None

    def __post_init__(self) -> None:
        for key in ("name", "size"):
            value = getattr(self, key)
            require(
                bool(value) and "/" not in value and not value.startswith("."),
                key,
                value,
                "a word that can name a folder",
                f"Set {key} to letters, digits, - and _.",
            )
        require(self.seed >= 0, "seed", self.seed, "0 or more", "Set seed to 0 or more.")
        require(bool(self.stages), "stages", self.stages, "at least one stage", "Leave it out to run all.")
