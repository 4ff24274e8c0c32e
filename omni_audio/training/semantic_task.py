"""Further training of the semantic level alone, over a frozen acoustic level.

It reads cached codes at 12.5 Hz and costs a fraction of a codec step, so that its letters get many more steps than the
sound.
"""

from dataclasses import dataclass

import jiwer
import torch
from torch import Tensor, nn

from omni_audio.checks import require_range
from omni_audio.data.tokenizer_data import AcousticBatch, Letters
from omni_audio.tokenizer.semantic import ctc_to_text, letter_head, letter_log_probs, letters_loss
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.optim import TaskTrainingConfig, Trained


@dataclass(kw_only=True, slots=True)
class SemanticLossConfig:
    """`early_weight`: share of a second CTC loss, which reads the letters before the FSQ.

    All gradients of the first one pass the few numbers of the FSQ, which makes the encoder slow to learn. The second
    one's head serves training alone.
    """

    early_weight: float = 0.5

    def __post_init__(self) -> None:
        require_range("semantic_loss.early_weight", self.early_weight, 0.0, 1.0)


def ctc_loss(tokenizer: AudioTokenizer, values_BFL: Tensor, num_frames_B: Tensor, letters: Letters) -> Tensor:
    """CTC of the letters given FSQ values (B, F, L), in nats a letter; rows without words count for nothing."""
    num_steps_B = num_frames_B * tokenizer.config.semantic.ctc_steps
    return spoken_loss(tokenizer.semantic.ctc_logits(values_BFL), num_steps_B, letters)


def spoken_loss(log_probs_BTX: Tensor, num_steps_B: Tensor, letters: Letters) -> Tensor:
    """CTC of log-probabilities (B, T, letters + blank), over the rows with words.

    Where no row has words the loss is 0, and every gradient is: DDP waits for one of each parameter.
    """
    targets_BL, lengths_B = letters.targets_BL, letters.lengths_B
    spoken = letters.rows_with_words
    if not spoken:
        return 0.0 * log_probs_BTX.exp().sum()
    if len(spoken) < len(letters.texts):
        log_probs_BTX, num_steps_B = log_probs_BTX[spoken], num_steps_B[spoken]
        targets_BL, lengths_B = targets_BL[spoken], lengths_B[spoken]
    return letters_loss(log_probs_BTX, num_steps_B, targets_BL, lengths_B)


@torch.no_grad()
def ctc_wer_percent(
    tokenizer: AudioTokenizer, acoustic_BFK: Tensor, num_frames_B: Tensor, letters: Letters
) -> float:
    """Word error rate of greedy CTC from the semantic codes alone, over the rows with words; there must be one."""
    values_BFL = tokenizer.semantic.fsq.values(tokenizer.understand(acoustic_BFK)[0].semantic_BF)
    log_probs = tokenizer.semantic.ctc_logits(values_BFL)
    steps = tokenizer.config.semantic.ctc_steps
    heard = [ctc_to_text(row[: n * steps]) for row, n in zip(log_probs, num_frames_B.tolist(), strict=True)]
    spoken = letters.rows_with_words
    return 100 * float(jiwer.wer([letters.texts[row] for row in spoken], [heard[row] for row in spoken]))


class SemanticTask(Trained):
    """CTC on the semantic level, behind the FSQ and before it; mel, encoder, codebooks and vocoder stay as they are."""

    def __init__(
        self, tokenizer: AudioTokenizer, loss: SemanticLossConfig, training: TaskTrainingConfig
    ) -> None:
        early_head = letter_head(tokenizer.config.semantic)
        super().__init__(nn.ModuleList([tokenizer.semantic, early_head]), training)
        self.loss = loss
        self.early_head = early_head.requires_grad_(loss.early_weight > 0)
        # DDP waits for a gradient of every parameter that asks for one
        tokenizer.requires_grad_(False)
        tokenizer.semantic.requires_grad_(True)
        # Lightning keeps the mode, and a loaded tokenizer is in evaluation mode
        self.tokenizer = tokenizer.train()

    def training_step(self, batch: AcousticBatch, batch_idx: int) -> Tensor:
        loss, early = self._losses(batch)
        self.log("train/ctc", loss.detach(), prog_bar=True, batch_size=1)
        self.log("train/early_ctc", early.detach(), batch_size=1)
        return torch.lerp(loss, early, self.loss.early_weight)

    def validation_step(self, batch: AcousticBatch, batch_idx: int) -> None:
        self.log("val/ctc", self._losses(batch)[0], batch_size=1)
        if batch.letters.rows_with_words:
            wer = ctc_wer_percent(self.tokenizer, batch.acoustic_BFK, batch.num_frames_B, batch.letters)
            self.log("val/ctc_wer_percent", wer, prog_bar=True, batch_size=1)

    def _losses(self, batch: AcousticBatch) -> tuple[Tensor, Tensor]:
        """CTC behind the FSQ, and before it."""
        semantic = self.tokenizer.semantic
        hidden_BFD, _ = semantic.hidden(self.tokenizer.coarse_latents(batch.acoustic_BFK))
        num_steps_B = batch.num_frames_B * semantic.config.ctc_steps
        early = spoken_loss(letter_log_probs(self.early_head, hidden_BFD), num_steps_B, batch.letters)
        values_BFL, _ = semantic.fsq(semantic.squeeze(hidden_BFD))
        return ctc_loss(self.tokenizer, values_BFL, batch.num_frames_B, batch.letters), early
