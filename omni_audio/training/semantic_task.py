"""Further training of the semantic level alone, over a frozen acoustic level.

It runs at 12.5 Hz and costs a tenth of a codec step, so that its letters get many more steps than the sound.
"""

import jiwer
import torch
from torch import Tensor

from omni_audio.data.tokenizer_data import TokenizerBatch
from omni_audio.tokenizer.semantic import ctc_to_text, letters_loss
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.optim import TaskTrainingConfig, Trained


def ctc_loss(tokenizer: AudioTokenizer, values_BFL: Tensor, batch: TokenizerBatch) -> Tensor:
    """CTC of the letters given FSQ values (B, F, L), in nats a letter."""
    log_probs_BTX = tokenizer.semantic.ctc_logits(values_BFL)
    num_steps_B = batch.num_frames_B * tokenizer.config.semantic.ctc_steps
    return letters_loss(log_probs_BTX, num_steps_B, batch.ctc_targets, batch.ctc_lengths_B)


@torch.no_grad()
def ctc_wer_percent(tokenizer: AudioTokenizer, batch: TokenizerBatch) -> float:
    """Word error rate of greedy CTC from the semantic codes alone."""
    values_BFL = tokenizer.semantic.fsq.values(tokenizer.encode(batch.pcm_BS).semantic_BF)
    log_probs = tokenizer.semantic.ctc_logits(values_BFL)
    steps = tokenizer.config.semantic.ctc_steps
    heard = [
        ctc_to_text(row[: n * steps]) for row, n in zip(log_probs, batch.num_frames_B.tolist(), strict=True)
    ]
    return 100 * float(jiwer.wer(batch.ctc_texts, heard))


class SemanticTask(Trained):
    """CTC on the semantic level; mel, encoder, codebooks and vocoder stay as they are."""

    def __init__(self, tokenizer: AudioTokenizer, training: TaskTrainingConfig) -> None:
        super().__init__(tokenizer.semantic, training)
        # DDP waits for a gradient of every parameter that asks for one
        tokenizer.requires_grad_(False)
        tokenizer.semantic.requires_grad_(True)
        # Lightning keeps the mode, and a loaded tokenizer is in evaluation mode
        self.tokenizer = tokenizer.train()

    def training_step(self, batch: TokenizerBatch, batch_idx: int) -> Tensor:
        loss = self._loss(batch)
        self.log("train/ctc", loss.detach(), prog_bar=True, batch_size=1)
        return loss

    def validation_step(self, batch: TokenizerBatch, batch_idx: int) -> None:
        self.log("val/ctc", self._loss(batch), batch_size=1)
        self.log("val/ctc_wer_percent", ctc_wer_percent(self.tokenizer, batch), prog_bar=True, batch_size=1)

    def _loss(self, batch: TokenizerBatch) -> Tensor:
        tokenizer = self.tokenizer
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            mel_BTM, _ = tokenizer.mel(batch.pcm_BS)
            codes_BFK = tokenizer.quantizer.encode(tokenizer.encoder(mel_BTM)[0])
            coarse_BFD = tokenizer.quantizer.code_latents(
                codes_BFK[..., : tokenizer.config.semantic.num_coarse]
            )
        values_BFL, _, _ = tokenizer.semantic(coarse_BFD)
        return ctc_loss(tokenizer, values_BFL, batch)
