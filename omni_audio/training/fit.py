"""One training from its last checkpoint to its last step."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lhotse import CutSet
from lightning.pytorch.callbacks import Callback
from torch import nn

from omni_audio.data.sampling import StepDataset, step_loader
from omni_audio.training.callbacks import ProgressBar, SeedEachStep, StopOnNaN
from omni_audio.training.checkpoint import (
    LAST,
    AtomicCheckpointIO,
    CheckpointCallback,
    check_architecture,
    checkpoint_step,
)
from omni_audio.training.optim import TaskTrainingConfig

Collate = Callable[[CutSet, int], Any]


def fit(
    task: Any,
    name: str,
    folder: Path,
    training: TaskTrainingConfig,
    train: tuple[CutSet, Collate],
    validation: tuple[CutSet, Collate],
    seed: int,
    make_trainer: Callable[..., Any],
    callbacks: Sequence[Callback] = (),
    row_duration_s: float | None = None,
) -> None:
    """Trains the task's module in place; resumes from `folder/last.ckpt` when it is there.

    Args:
        task: a LightningModule.
        name: of the stage, for the progress bar and messages.
        folder: of the stage; checkpoints and metrics go there.
        training: its budget.
        train: cuts and how they become batches.
        validation: the same, of the dev split.
        seed: of batches and of every random draw in a step.
        make_trainer: gives a Lightning Trainer.
        callbacks: further ones; they act before a checkpoint is saved.
        row_duration_s: of a row of training where that is not its cut's.

    Raises:
        ValueError: the checkpoint is of another architecture.
    """
    path = folder / LAST
    start_step = checkpoint_step(path)
    if start_step:
        print(f"{name}: resuming at step {start_step} of {training.max_steps}", flush=True)
        state = torch.load(path, map_location="cpu", weights_only=False)["state_dict"]
        check_architecture(task, state, str(path))
    loaders = [
        step_loader(
            StepDataset(
                cuts,
                collate,
                training.batch_duration_s,
                training.num_buckets,
                seed,
                start,
                number,
                row_s,
            ),
            workers,
        )
        for (cuts, collate), start, number, workers, row_s in (
            (train, start_step, None, training.num_workers, row_duration_s),
            (validation, 0, training.num_validation_batches, 0, None),
        )
    ]
    trainer = make_trainer(
        folder / "metrics" / f"from-step-{start_step:07d}",
        max_steps=training.max_steps,
        callbacks=[
            SeedEachStep(seed),
            StopOnNaN(),
            *callbacks,
            CheckpointCallback(folder, training.checkpoint_every_steps),
            ProgressBar(name, training.max_steps, start_step),
        ],
        plugins=[AtomicCheckpointIO()],
        log_every_n_steps=training.log_every_steps,
        val_check_interval=training.validate_every_steps,
        check_val_every_n_epoch=None,
        enable_checkpointing=False,
    )
    trainer.fit(task, *loaders, ckpt_path=str(path) if start_step else None)


def count_parameters(module: nn.Module) -> int:
    """Numbers of a module that training makes or made."""
    return sum(p.numel() for p in module.parameters())


def count_trained(module: nn.Module) -> int:
    """Numbers of a module that its next step changes."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
