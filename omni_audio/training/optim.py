"""Optimiser, schedule and budget of one training."""

import math
from dataclasses import dataclass, field

import lightning
import torch
from torch import Tensor, nn

from omni_audio.checks import require, require_positive, require_range


@dataclass(kw_only=True, slots=True)
class OptimConfig:
    """AdamW with linear warm-up and cosine decay to `final_fraction` of the peak."""

    learning_rate: float = 5e-4
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.01
    warmup_steps: int = 100
    final_fraction: float = 0.05
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        require_positive("optim.learning_rate", self.learning_rate)
        require_range("optim.beta1", self.beta1, 0.0, 0.9999)
        require_range("optim.beta2", self.beta2, 0.0, 0.9999)
        require_range("optim.final_fraction", self.final_fraction, 0.0, 1.0)
        require(
            self.warmup_steps >= 0, "optim.warmup_steps", self.warmup_steps, "0 or more", "Use 0 for none."
        )


@dataclass(kw_only=True, slots=True)
class TaskTrainingConfig:
    """Budget of one training: steps, and seconds of sound a batch (of pieces, where rows are pieces of cuts)."""

    max_steps: int = 1000
    batch_duration_s: float = 80.0
    num_buckets: int = 10
    num_workers: int = 0
    checkpoint_every_steps: int = 500
    validate_every_steps: int = 250
    num_validation_batches: int = 2
    log_every_steps: int = 10
    optim: OptimConfig = field(default_factory=OptimConfig)

    def __post_init__(self) -> None:
        for name in (
            "max_steps",
            "batch_duration_s",
            "num_buckets",
            "checkpoint_every_steps",
            "validate_every_steps",
            "log_every_steps",
        ):
            # tokenizer_, semantic_ or model_: a part does not know which it is
            require_positive(f"*_training.{name}", getattr(self, name))


def learning_rate_factor(step: int, max_steps: int, config: OptimConfig) -> float:
    """Share of the peak learning rate at `step`."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, max_steps - config.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return config.final_fraction + (1 - config.final_fraction) * cosine


def build_optimizer(module: nn.Module, config: OptimConfig, max_steps: int):
    """AdamW (matrices decay, vectors do not) and its per-step schedule, in the form Lightning takes."""
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, max_steps, config)
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def clip_gradients(module: nn.Module, clip_norm: float, step: int, name: str = "gradient norm") -> Tensor:
    """Scales the gradients of a module to at most `clip_norm`; returns the norm that they had.

    Raises:
        ValueError: the norm is NaN or infinite: one step with it would spoil every weight.
    """
    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), clip_norm)
    if not torch.isfinite(norm):
        raise ValueError(
            f"{name} = {float(norm)} at step {step}: expected a finite number. Lower optim.learning_rate or look at "
            "the batch; the weights and the last checkpoint are from before."
        )
    return norm


class Trained(lightning.LightningModule):
    """What both trainings share: the optimiser, and clipping that works with the fused one."""

    def __init__(self, trained: nn.Module, training: TaskTrainingConfig) -> None:
        super().__init__()
        self.training_config = training
        self._trained = [trained]

    def configure_optimizers(self):
        return build_optimizer(self._trained[0], self.training_config.optim, self.training_config.max_steps)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips the norm directly: bfloat16 needs no loss scaling, which is all that Lightning's own way guards.

        Raises:
            ValueError: the norm is NaN or infinite: one step with it would spoil every weight.
        """
        norm = clip_gradients(self._trained[0], self.training_config.optim.clip_norm, self.global_step)
        self.log("train/gradient_norm", norm, batch_size=1)
