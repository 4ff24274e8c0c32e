"""What tests of real tiny trainings share: a config, a finished road, interruptions, checkpoints bit for bit."""

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from omni_audio.config.build import trainer_factory
from omni_audio.config.load import load_config
from omni_audio.config.schema import RootConfig
from omni_audio.training.pipeline import RunPaths

OVERRIDES = ["experiment=tiny", "runtime.num_threads=1", "data.corpus.output_voice=espeak-en-us-m1"]


def tiny_config(run_dir: Path, *overrides: str) -> RootConfig:
    return load_config([*OVERRIDES, f"run_dir={run_dir}", *overrides])


@dataclasses.dataclass
class Road:
    config: RootConfig
    paths: RunPaths


class AtStep(Callback):
    """Does something in the middle of the step after `step` steps."""

    def __init__(self, step: int, act: Any) -> None:
        self.step, self.act = step, act

    def on_train_batch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            self.act()


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def factory_with(config: RootConfig, *extra: Callback) -> Any:
    """A trainer factory whose trainers have further callbacks."""
    make = trainer_factory(config)

    def make_trainer(folder: Path, max_steps: int, callbacks: list[Callback], **more: Any) -> Any:
        return make(folder, max_steps, [*callbacks, *extra], **more)

    return make_trainer


def checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "last.ckpt", weights_only=False)


def assert_equal(one: Any, two: Any, place: str = "") -> None:
    """Bit for bit, all the way down."""
    assert type(one) is type(two), place
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, two), place
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), place
        for key in one:
            assert_equal(one[key], two[key], f"{place}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), place
        for i, (a, b) in enumerate(zip(one, two, strict=True)):
            assert_equal(a, b, f"{place}[{i}]")
    else:
        assert one == two, place


def assert_same_training(one: dict[str, Any], two: dict[str, Any]) -> None:
    for key in ("global_step", "state_dict", "optimizer_states", "lr_schedulers", "callbacks"):
        assert_equal(one[key], two[key], key)
