"""Further training of the semantic level alone, over a frozen acoustic level.

It reads cached codes at 12.5 Hz and costs a fraction of a codec step, so that its letters get many more steps than the
sound.
"""

import jiwer
import torch
from torch import Tensor

from omni_audio.data.tokenizer_data import AcousticBatch, Letters
from omni_audio.tokenizer.semantic import ctc_to_text, letters_loss
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.optim import TaskTrainingConfig, Trained


def ctc_loss(tokenizer: AudioTokenizer, values_BFL: Tensor, num_frames_B: Tensor, letters: Letters) -> Tensor:
    """CTC of the letters given FSQ values (B, F, L), in nats a letter."""
    log_probs_BTX = tokenizer.semantic.ctc_logits(values_BFL)
    num_steps_B = num_frames_B * tokenizer.config.semantic.ctc_steps
    return letters_loss(log_probs_BTX, num_steps_B, letters.targets_BL, letters.lengths_B)


@torch.no_grad()
def ctc_wer_percent(
    tokenizer: AudioTokenizer, acoustic_BFK: Tensor, num_frames_B: Tensor, texts: list[str]
) -> float:
    """Word error rate of greedy CTC from the semantic codes alone."""
    values_BFL = tokenizer.semantic.fsq.values(tokenizer.understand(acoustic_BFK)[0].semantic_BF)
    log_probs = tokenizer.semantic.ctc_logits(values_BFL)
    steps = tokenizer.config.semantic.ctc_steps
    heard = [ctc_to_text(row[: n * steps]) for row, n in zip(log_probs, num_frames_B.tolist(), strict=True)]
    return 100 * float(jiwer.wer(texts, heard))


class SemanticTask(Trained):
    """CTC on the semantic level; mel, encoder, codebooks and vocoder stay as they are."""

    def __init__(self, tokenizer: AudioTokenizer, training: TaskTrainingConfig) -> None:
        super().__init__(tokenizer.semantic, training)
        # DDP waits for a gradient of every parameter that asks for one
        tokenizer.requires_grad_(False)
        tokenizer.semantic.requires_grad_(True)
        # Lightning keeps the mode, and a loaded tokenizer is in evaluation mode
        self.tokenizer = tokenizer.train()

    def training_step(self, batch: AcousticBatch, batch_idx: int) -> Tensor:
        loss = self._loss(batch)
        self.log("train/ctc", loss.detach(), prog_bar=True, batch_size=1)
        return loss

    def validation_step(self, batch: AcousticBatch, batch_idx: int) -> None:
        self.log("val/ctc", self._loss(batch), batch_size=1)
        wer = ctc_wer_percent(self.tokenizer, batch.acoustic_BFK, batch.num_frames_B, batch.letters.texts)
        self.log("val/ctc_wer_percent", wer, prog_bar=True, batch_size=1)

    def _loss(self, batch: AcousticBatch) -> Tensor:
        values_BFL, _, _ = self.tokenizer.semantic(self.tokenizer.coarse_latents(batch.acoustic_BFK))
        return ctc_loss(self.tokenizer, values_BFL, batch.num_frames_B, batch.letters)
