"""Checkpoints that are whole or not there, and a clear word when a training stops."""

import hashlib
import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO

LAST = "last.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames: a full disk or a kill leaves the earlier checkpoint as it was."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".tmp")
        try:
            with temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            temporary.unlink(missing_ok=True)
            kept = "the checkpoint before it is untouched" if target.exists() else "there was none before it"
            raise OSError(
                f"cannot save checkpoint {target}: {error}; {kept}. Free some space and start again."
            ) from error
        temporary.replace(target)


class Interrupted(KeyboardInterrupt):
    """A training that was asked to stop, after its checkpoint was saved."""


class CheckpointCallback(Callback):
    """Saves `last.ckpt` every n steps and at the end; on Ctrl-C finishes the step, saves, and stops the run."""

    def __init__(self, folder: Path, every_steps: int) -> None:
        self.path, self.every_steps = folder / LAST, every_steps
        self._asked_to_stop = False
        self._before: Callable[..., Any] | int | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        def stop_soon(number: int, frame: object) -> None:
            self._asked_to_stop = True

        try:
            self._before = signal.signal(signal.SIGINT, stop_soon)
        except ValueError:
            self._before = None

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self._asked_to_stop or trainer.global_step % self.every_steps == 0:
            trainer.save_checkpoint(self.path)
        if self._asked_to_stop:
            raise Interrupted(
                f"stopped at step {trainer.global_step}, saved {self.path}: the same command goes on there"
            )

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        trainer.save_checkpoint(self.path)

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None


def checkpoint_step(path: Path) -> int:
    """Optimiser steps done in this checkpoint; 0 when there is none.

    Raises:
        ValueError: the file is not a checkpoint.
    """
    if not path.exists():
        return 0
    try:
        return int(torch.load(path, map_location="cpu", weights_only=False)["global_step"])
    except (KeyError, EOFError, RuntimeError, OSError, TypeError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"checkpoint {path} cannot be read ({error}): expected a file saved by this program. "
            "Delete it to start this stage anew."
        ) from error


def weights_hash(state: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of tensors on the CPU, whatever their order."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_architecture(module: torch.nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Raises ValueError that names what differs, unless the state fits the module exactly."""
    own = module.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [
        f"{key} {tuple(state[key].shape)} (expected {tuple(own[key].shape)})"
        for key in sorted(own.keys() & state.keys())
        if own[key].shape != state[key].shape
    ]
    if missing or extra or shapes:
        told = [f"missing {missing[:3]}"] * bool(missing) + [f"extra {extra[:3]}"] * bool(extra)
        told += [f"shapes {shapes[:3]}"] * bool(shapes)
        raise ValueError(
            f"{name} is of another architecture: {'; '.join(told)}. Use the config it was trained with, or "
            "another name=."
        )
