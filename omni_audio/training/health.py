"""Checks that stop a tokenizer training that has gone wrong: codes that collapse, a discriminator that has won.

Each looks at windows of steps. A window that a resume cut short is not judged.
"""

import math
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from omni_audio.checks import require, require_positive, require_range


@dataclass(kw_only=True, slots=True)
class HealthConfig:
    """When a tokenizer training is stopped.

    Attributes:
        window_steps: code usage is logged, and everything judged, over this many steps.
        after_steps: nothing is judged before this step.
        min_entropy_percent: least entropy of a codebook, of the most that its size and the frames seen allow; None
            leaves it unjudged.
        min_discriminator_loss: a hinge loss below it, 0 to 2, while the adversarial loss does not fall, means that the
            discriminator has won; None leaves it unjudged.
    """

    window_steps: int = 200
    after_steps: int = 500
    min_entropy_percent: float | None = 20.0
    min_discriminator_loss: float | None = 0.05

    def __post_init__(self) -> None:
        require_positive("tokenizer_health.window_steps", self.window_steps)
        require_range("tokenizer_health.after_steps", self.after_steps, 0, 10**9)
        if self.min_entropy_percent is not None:
            require_range("tokenizer_health.min_entropy_percent", self.min_entropy_percent, 0.0, 100.0)
        if self.min_discriminator_loss is not None:
            require_range("tokenizer_health.min_discriminator_loss", self.min_discriminator_loss, 0.0, 2.0)


def code_counts(codes_NK: Tensor, size: int) -> Tensor:
    """How often each code of each codebook was chosen: (N, K) codes -> (K, size) int64."""
    return torch.stack([torch.bincount(codes_N, minlength=size) for codes_N in codes_NK.unbind(-1)])


def usage_entropy_percent(counts_KC: Tensor) -> Tensor:
    """Entropy of the codes of each codebook, (K,), in percent of the most that N choices of C codes can have."""
    total = counts_KC.sum(-1, keepdim=True)
    share_KC = counts_KC / total.clamp_min(1)
    entropy_K = torch.special.entr(share_KC).sum(-1)
    most = total[:, 0].clamp(2, counts_KC.shape[-1]).log()
    return 100 * entropy_K / most


class Watch(Callback):
    """Gathers what the steps of a window give; logs it when the window is whole, and from `after_steps` on judges it.

    Args:
        config: windows and limits.
    """

    def __init__(self, config: HealthConfig) -> None:
        self.config = config
        self.num_steps = 0

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.gather(outputs, is_first=self.num_steps == 0)
        self.num_steps += 1
        step = trainer.global_step
        if step % self.config.window_steps:
            return
        is_whole, self.num_steps = self.num_steps == self.config.window_steps, 0
        if not is_whole:
            return
        self.report(pl_module)
        if step >= self.config.after_steps:
            self.judge(step)

    def gather(self, outputs: dict[str, Tensor], is_first: bool) -> None:
        """Takes what a step gave; the first of a window begins anew."""
        raise NotImplementedError

    def report(self, pl_module: lightning.LightningModule) -> None:
        """Logs a whole window, where there is something to log."""

    def judge(self, step: int) -> None:
        """Looks at the whole window that ends at this step.

        Raises:
            ValueError: the training has gone wrong.
        """
        raise NotImplementedError


class WatchCodes(Watch):
    """Logs how each codebook is used, and stops a run in which one of them collapses.

    The task's steps must give `codes_NK`, the codes of all frames of the batch.

    Args:
        config: windows and the least entropy.
        size: codes of a codebook.
    """

    def __init__(self, config: HealthConfig, size: int) -> None:
        super().__init__(config)
        self.size = size
        self.counts_KC = torch.zeros(0)

    def gather(self, outputs: dict[str, Tensor], is_first: bool) -> None:
        counts_KC = code_counts(outputs["codes_NK"], self.size)
        self.counts_KC = counts_KC if is_first else self.counts_KC + counts_KC

    def report(self, pl_module: lightning.LightningModule) -> None:
        entropy_K = usage_entropy_percent(self.counts_KC)
        used_K = 100 * (self.counts_KC > 0).float().mean(-1)
        for stage, (entropy, used) in enumerate(zip(entropy_K.tolist(), used_K.tolist(), strict=True)):
            pl_module.log(f"train/codebook{stage}_entropy_percent", entropy, batch_size=1)
            pl_module.log(f"train/codebook{stage}_used_percent", used, batch_size=1)

    def judge(self, step: int) -> None:
        least = self.config.min_entropy_percent
        if least is None:
            return
        for stage, entropy in enumerate(usage_entropy_percent(self.counts_KC).tolist()):
            require(
                entropy >= least,
                f"entropy of codebook {stage} at step {step}",
                f"{entropy:.1f} %",
                f"at least tokenizer_health.min_entropy_percent = {least} % of the most that is possible",
                "The codes collapse: lower tokenizer_training.optim.learning_rate, raise tokenizer.vq.dead_below, or "
                "look for silent clips; min_entropy_percent=null goes on all the same.",
            )


class WatchDiscriminator(Watch):
    """Stops a run whose discriminator tells everything apart while the decoder makes no way against it.

    The task's steps must give `discriminator` and `adversarial`, the two hinge losses.
    """

    def __init__(self, config: HealthConfig) -> None:
        super().__init__(config)
        self.losses: list[tuple[Tensor, Tensor]] = []

    def gather(self, outputs: dict[str, Tensor], is_first: bool) -> None:
        if is_first:
            self.losses = []
        self.losses.append((outputs["discriminator"], outputs["adversarial"]))

    def judge(self, step: int) -> None:
        least = self.config.min_discriminator_loss
        if least is None:
            return
        discriminator, adversarial = torch.tensor(self.losses).unbind(-1)
        half = math.ceil(len(self.losses) / 2)
        before, after = float(adversarial[:half].mean()), float(adversarial[-half:].mean())
        mean = float(discriminator.mean())
        require(
            mean >= least or after < before,
            f"discriminator loss at step {step}",
            round(mean, 4),
            f"at least tokenizer_health.min_discriminator_loss = {least}, or an adversarial loss that falls (it went "
            f"from {before:.3f} to {after:.3f} in {len(self.losses)} steps)",
            "The discriminator has won: lower adversarial.discriminator_optim.learning_rate or "
            "adversarial.discriminator.filters, or raise adversarial.feature_weight.",
        )
