"""Second phase of the tokenizer's training: the decoder plays against a discriminator."""

from dataclasses import dataclass, field, replace
from typing import cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from omni_audio.checks import require, require_positive, require_range
from omni_audio.data.tokenizer_data import TokenizerBatch
from omni_audio.tokenizer.discriminator import (
    DiscriminatorConfig,
    MultiScaleDiscriminator,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
)
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.tokenizer.vector_quantizer import Codebook
from omni_audio.training.balancer import Balancer
from omni_audio.training.optim import OptimConfig, TaskTrainingConfig, build_optimizer, clip_gradients
from omni_audio.training.tokenizer_task import TokenizerLossConfig, TokenizerTask


def gentle_optim() -> OptimConfig:
    """The decoder starts here: lower rate and shorter memory than the spectral phase, as in DAC (Kumar et al. 2023)."""
    return OptimConfig(learning_rate=2e-4, beta1=0.8, beta2=0.99)


def quick_optim() -> OptimConfig:
    """The discriminator starts here: on a budget of some thousand steps it learns little at the decoder's rate."""
    return OptimConfig(learning_rate=1e-3, beta1=0.8, beta2=0.99)


@dataclass(kw_only=True, slots=True)
class AdversarialConfig:
    """The adversarial phase, after the spectral one.

    Attributes:
        enabled: whether there is one.
        freeze_codes: encoder, codebooks and semantic level stay as they are, so that codes made before stay valid.
        adversarial_weight: share of the gradient at the decoder's output, relative to 1 of the mel loss.
        feature_weight: the same of feature matching.
        norm_decay: of the moving averages that the shares rest on.
        discriminator: its scales and size.
        discriminator_alone_steps: the decoder waits for so many steps, so that it meets a discriminator that hears
            something: what a fresh one says is noise, and most of the gradient.
        discriminator_optim: its optimiser; the schedule has as many steps as `training`.
        training: budget of the phase, and the decoder's optimiser.
    """

    enabled: bool = False
    freeze_codes: bool = True
    adversarial_weight: float = 1.0
    feature_weight: float = 2.0
    norm_decay: float = 0.99
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    discriminator_alone_steps: int = 200
    discriminator_optim: OptimConfig = field(default_factory=quick_optim)
    training: TaskTrainingConfig = field(default_factory=lambda: TaskTrainingConfig(optim=gentle_optim()))

    def __post_init__(self) -> None:
        require_positive("adversarial.adversarial_weight", self.adversarial_weight)
        require_positive("adversarial.feature_weight", self.feature_weight)
        require(
            0 <= self.discriminator_alone_steps < self.training.max_steps,
            "adversarial.discriminator_alone_steps",
            self.discriminator_alone_steps,
            f"0 or more, fewer than adversarial.training.max_steps = {self.training.max_steps}",
            "Leave the decoder some steps.",
        )
        require_range("adversarial.norm_decay", self.norm_decay, 0.0, 0.99999)


class AdversarialTask(TokenizerTask):
    """Spectral, adversarial and feature losses of the decoded pieces, balanced; the discriminator learns beside it.

    Both players move at once: one forward pass of the discriminator over real and decoded sound serves its own loss and
    the decoder's, and one backward pass gives every parameter its gradient, as DDP asks.
    """

    def __init__(
        self, tokenizer: AudioTokenizer, loss: TokenizerLossConfig, config: AdversarialConfig
    ) -> None:
        # frozen codes cannot learn letters
        super().__init__(
            tokenizer, replace(loss, ctc_weight=0.0) if config.freeze_codes else loss, config.training
        )
        self.automatic_optimization = False
        self.config = config
        self.discriminator = MultiScaleDiscriminator(config.discriminator)
        weights = {
            "mel": 1.0,
            "adversarial": config.adversarial_weight,
            "feature": config.feature_weight,
        }
        self.balancer = Balancer(weights, config.norm_decay)
        tokenizer.train()
        if config.freeze_codes:
            for part in (tokenizer.encoder, tokenizer.quantizer.reduce, tokenizer.semantic):
                part.requires_grad_(False)
            for book in tokenizer.quantizer.codebooks:
                assert isinstance(book, Codebook)
                book.learns = False

    def configure_optimizers(self):
        steps = self.config.training.max_steps
        decoder = build_optimizer(self.tokenizer, self.config.training.optim, steps)
        discriminator = build_optimizer(self.discriminator, self.config.discriminator_optim, steps)
        return decoder, discriminator

    def training_step(self, batch: TokenizerBatch, batch_idx: int) -> dict[str, Tensor]:
        heard = self._reconstruct(batch)
        decoded_BS = heard.decoded_BS.detach().requires_grad_()
        real, fake = self.discriminator(heard.target_BS), self.discriminator(decoded_BS)
        losses = {
            "mel": self.mel_loss(decoded_BS, heard.target_BS),
            "adversarial": adversarial_loss(fake),
            "feature": feature_loss(real, fake),
        }
        gradient_BS = self.balancer(losses, decoded_BS) * self.loss.mel_weight
        of_codes = {"commitment": 1.0, "ctc": self.loss.ctc_weight}
        losses |= heard.code_losses | {"discriminator": discriminator_loss(real, fake)}
        # its gradient at the decoder's output is the balanced one
        total = (heard.decoded_BS * gradient_BS).sum() + losses["discriminator"]
        for name, loss in heard.code_losses.items():
            total = total + loss * of_codes[name]
        self._step(total)
        logged = {name: loss.detach() for name, loss in losses.items()}
        self.log_dict({f"train/{name}": loss for name, loss in logged.items()}, batch_size=1)
        self.log("train/loss", logged["mel"] * self.loss.mel_weight, prog_bar=True, batch_size=1)
        return {**logged, "loss": total.detach(), "codes_NK": heard.codes_NK}

    def _step(self, total: Tensor) -> None:
        """One step of both optimisers; Lightning counts the decoder's only, so that a batch is a step."""
        optim, discriminator_optim = self.config.training.optim, self.config.discriminator_optim
        wrapped = cast(list[LightningOptimizer], self.optimizers())
        decoder, discriminator = wrapped[0], wrapped[1].optimizer
        decoder.zero_grad()
        discriminator.zero_grad()
        self.manual_backward(total)
        norms = {
            "train/gradient_norm": clip_gradients(self.tokenizer, optim.clip_norm, self.global_step),
            "train/discriminator_gradient_norm": clip_gradients(
                self.discriminator,
                discriminator_optim.clip_norm,
                self.global_step,
                "discriminator's gradient norm",
            ),
        }
        self.log_dict(norms, batch_size=1)
        if self.global_step < self.config.discriminator_alone_steps:
            self.tokenizer.zero_grad()
        discriminator.step()
        decoder.step()
        for schedule in cast(list[torch.optim.lr_scheduler.LambdaLR], self.lr_schedulers()):
            schedule.step()
