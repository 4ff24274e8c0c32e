"""Callbacks of every training: seeds by step, health, a progress bar that says how long."""

import math
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar

from omni_audio.data.draws import draw_seed


class SeedEachStep(Callback):
    """Makes all randomness of a step depend on (seed, step): a resumed run draws what an uninterrupted one draws."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        torch.manual_seed(draw_seed(self.seed, "step", trainer.global_step))

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        torch.manual_seed(draw_seed(self.seed, "validation"))


class StopOnNaN(Callback):
    """Ends a run whose loss is no number, and says at which step."""

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        loss = float(outputs["loss"]) if isinstance(outputs, dict) else float(outputs)
        if not math.isfinite(loss):
            raise ValueError(
                f"loss = {loss} at step {trainer.global_step}: expected a finite number. Lower optim.learning_rate or "
                "look at the batch; the last checkpoint is from before."
            )


class ProgressBar(TQDMProgressBar):
    """Steps done of steps to do, with the time left; a fresh line only every `refresh_rate` steps."""

    def __init__(self, name: str, max_steps: int, start_step: int) -> None:
        super().__init__(refresh_rate=10)
        self.name, self.max_steps, self.start_step = name, max_steps, start_step

    @property
    def total_train_batches(self) -> int:
        return self.max_steps

    def init_train_tqdm(self):
        bar = super().init_train_tqdm()
        self._prepare(bar)
        return bar

    def _prepare(self, bar: Any) -> None:
        bar.reset(self.max_steps)
        bar.initial = bar.n = self.start_step
        bar.set_description(self.name)

    def init_validation_tqdm(self):
        bar = super().init_validation_tqdm()
        bar.disable = True
        return bar

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        self._prepare(self.train_progress_bar)
