"""Training steps of the network."""

from dataclasses import dataclass

from torch import Tensor

from omni_audio.checks import require_range
from omni_audio.model.sequence import SequenceBatch
from omni_audio.model.transformer import ModelLosses, OmniModel
from omni_audio.training.optim import TaskTrainingConfig, Trained


@dataclass(kw_only=True, slots=True)
class ModelLossConfig:
    """Weights: text and control ids, semantic ids, acoustic codes (depth.loss_decay), letters of what was heard."""

    text_weight: float = 1.0
    semantic_weight: float = 0.5
    acoustic_weight: float = 0.5
    hearing_weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("text_weight", "semantic_weight", "acoustic_weight", "hearing_weight"):
            require_range(f"model_loss.{name}", getattr(self, name), 0.0, 100.0)


class ModelTask(Trained):
    """Next-id prediction on the assistant's positions, and the depth decoder on their frames."""

    def __init__(self, model: OmniModel, loss: ModelLossConfig, training: TaskTrainingConfig) -> None:
        super().__init__(model, training)
        self.model, self.loss = model, loss

    def training_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        losses = self.model.losses(batch)
        total = self._total(losses)
        self._log("train", losses)
        self.log("train/loss", total.detach(), prog_bar=True, batch_size=1)
        self.log("train/positions", float((batch.document_BT >= 0).sum()), batch_size=1)
        return total

    def validation_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        losses = self.model.losses(batch)
        self._log("val", losses)
        self.log("val/loss", self._total(losses), prog_bar=True, batch_size=1)

    def _total(self, losses: ModelLosses) -> Tensor:
        return (
            losses.text * self.loss.text_weight
            + losses.semantic * self.loss.semantic_weight
            + losses.acoustic * self.loss.acoustic_weight
            + losses.hearing * self.loss.hearing_weight
        )

    def _log(self, split: str, losses: ModelLosses) -> None:
        for name in ("text", "semantic", "acoustic", "hearing"):
            self.log(f"{split}/{name}", getattr(losses, name).detach(), batch_size=1)
