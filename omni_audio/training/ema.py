"""Moving average of the tokenizer's weights: what is validated, and what a build is made of.

Source: Polyak averaging with the warm-up of TensorFlow's `ExponentialMovingAverage`: the decay after n steps is at
most (1 + n) / (10 + n), so that the first steps are soon forgotten.
"""

from dataclasses import dataclass
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from omni_audio.checks import require_range
from omni_audio.tokenizer.tokenizer import AudioTokenizer


@dataclass(kw_only=True, slots=True)
class EmaConfig:
    """`decay` of the moving average of the weights, as 0.999; None: the last weights are taken."""

    decay: float | None = None

    def __post_init__(self) -> None:
        if self.decay is not None:
            require_range("tokenizer_ema.decay", self.decay, 0.0, 0.999999)


class EmaWeights(Callback):
    """Averages all that a build holds, codebooks included; validates with the average; a checkpoint holds it.

    Must stand before the callback that saves checkpoints.
    """

    def __init__(self, tokenizer: AudioTokenizer, decay: float) -> None:
        self.tokenizer, self.decay = tokenizer, decay
        self.averages: dict[str, Tensor] = {}

    def use(self) -> None:
        """Puts the average into the tokenizer, for good."""
        self.tokenizer.load_shipped_state(self.averages)

    @torch.no_grad()
    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """After the first step the average is the weights; from then on it follows them."""
        current = self.tokenizer.shipped_state()
        if not self.averages:
            self.averages = {name: tensor.detach().clone() for name, tensor in current.items()}
            return
        decay = min(self.decay, (1 + trainer.global_step) / (10 + trainer.global_step))
        for name, average in self._on_device().items():
            if average.is_floating_point():
                average.lerp_(current[name], 1 - decay)
            else:
                average.copy_(current[name])

    def on_validation_start(self, *_: Any) -> None:
        self._swap()

    def on_validation_end(self, *_: Any) -> None:
        self._swap()

    def state_dict(self) -> dict[str, Tensor]:
        return self.averages

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        self.averages = {name: tensor.clone() for name, tensor in state_dict.items()}

    def _on_device(self) -> dict[str, Tensor]:
        """The averages, where the weights lie: a checkpoint is read to the CPU."""
        self.averages = {name: tensor.to(self.tokenizer.device) for name, tensor in self.averages.items()}
        return self.averages

    @torch.no_grad()
    def _swap(self) -> None:
        """Weights and average change places, bit for bit."""
        current = self.tokenizer.shipped_state()
        for name, average in self._on_device().items():
            weights = current[name].clone()
            current[name].copy_(average)
            average.copy_(weights)
