"""Training steps of the audio tokenizer."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from omni_audio.checks import require, require_positive
from omni_audio.data.tokenizer_data import TokenizerBatch, frame_mask
from omni_audio.plain import to_plain
from omni_audio.tokenizer.losses import MultiResolutionMelLoss
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.tokenizer.vector_quantizer import Quantized
from omni_audio.training.optim import TaskTrainingConfig, Trained
from omni_audio.training.semantic_task import ctc_loss, ctc_wer_percent


@dataclass(kw_only=True, slots=True)
class TokenizerLossConfig:
    """Weights of the losses, and what is decoded in a step: a piece of each of the first `decoded_rows` utterances.

    `ctc_weight` 0 leaves the letters, and the semantic level, to the stage `semantic`.

    `segment_frames` of latents go into the decoder; the loss leaves out the first `context_frames`. Without
    `whole_utterances` a batch holds pieces of that length: many more of them in the same time, but no letters.

    With `clean_targets` the decoder learns to give back the speaker without the augmentation's room, noise and
    telephone, so that no code is spent on them.
    """

    mel_weight: float = 1.0
    ctc_weight: float = 0.3
    decoded_rows: int = 12
    segment_frames: int = 14
    context_frames: int = 3
    whole_utterances: bool = True
    clean_targets: bool = False

    def __post_init__(self) -> None:
        require_positive("tokenizer_loss.decoded_rows", self.decoded_rows)
        require_positive("tokenizer_loss.segment_frames", self.segment_frames)
        require(
            self.whole_utterances or self.ctc_weight == 0,
            "tokenizer_loss.ctc_weight",
            self.ctc_weight,
            "0 where tokenizer_loss.whole_utterances is false: a piece has no transcript",
            "Leave the letters to the stage semantic, or train on whole utterances.",
        )

    def facts(self) -> dict[str, Any]:
        """What a fingerprint tells of it; with `clean_targets` off, what it told before there were any."""
        facts = to_plain(self)
        return facts if self.clean_targets else {key: facts[key] for key in facts if key != "clean_targets"}


@dataclass(slots=True)
class Reconstruction:
    """What one pass over a batch gives.

    Attributes:
        decoded_BS: pieces of the first utterances, decoded, (B, S) samples.
        target_BS: the same pieces of what is to be given back.
        code_losses: losses of the codes, which do not see the decoded sound.
        codes_NK: codes of all frames of the batch.
    """

    decoded_BS: Tensor
    target_BS: Tensor
    code_losses: dict[str, Tensor]
    codes_NK: Tensor


class TokenizerTask(Trained):
    """Encodes whole utterances, decodes a random piece of each, teaches the semantic codes by CTC.

    The encoder runs at 12.5 Hz and is cheap, the decoder runs at 100 Hz: hence whole utterances in, pieces out.
    """

    def __init__(
        self, tokenizer: AudioTokenizer, loss: TokenizerLossConfig, training: TaskTrainingConfig
    ) -> None:
        super().__init__(tokenizer, training)
        self.tokenizer = tokenizer
        self.loss = loss
        # DDP waits for a gradient of every parameter that asks for one
        tokenizer.semantic.requires_grad_(self._has_letters)
        self.mel_loss = MultiResolutionMelLoss(tokenizer.config.loss)

    def training_step(self, batch: TokenizerBatch, batch_idx: int) -> dict[str, Tensor]:
        losses, codes_NK = self._losses(batch)
        weights = {"mel": self.loss.mel_weight, "ctc": self.loss.ctc_weight, "commitment": 1.0}
        total = torch.stack([value * weights[name] for name, value in losses.items()]).sum()
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()}, batch_size=1)
        self.log("train/loss", total.detach(), prog_bar=True, batch_size=1)
        return {"loss": total, "codes_NK": codes_NK}

    def validation_step(self, batch: TokenizerBatch, batch_idx: int) -> None:
        losses, _ = self._losses(batch)
        self.log_dict({f"val/{name}": value for name, value in losses.items()}, batch_size=1)
        if self._has_letters and batch.letters.rows_with_words:
            _, frames_BFX = self.tokenizer.acoustic_and_frames(batch.pcm_BS)
            wer = ctc_wer_percent(self.tokenizer, frames_BFX, batch.num_frames_B, batch.letters)
            self.log("val/ctc_wer_percent", wer, prog_bar=True, batch_size=1)

    @property
    def _has_letters(self) -> bool:
        return self.loss.ctc_weight > 0

    def _losses(self, batch: TokenizerBatch) -> tuple[dict[str, Tensor], Tensor]:
        """Losses by name, and the codes of all frames (N, K)."""
        heard = self._reconstruct(batch)
        mel = self.mel_loss(heard.decoded_BS, heard.target_BS)
        return {"mel": mel, **heard.code_losses}, heard.codes_NK

    def _reconstruct(self, batch: TokenizerBatch) -> Reconstruction:
        tokenizer = self.tokenizer
        patch_BFX, _ = tokenizer.features(batch.pcm_BS)
        latent_BFD, _ = tokenizer.encoder(patch_BFX)
        mask_BF = frame_mask(batch.num_frames_B, latent_BFD.shape[1])
        quantized = tokenizer.quantizer(latent_BFD, mask_BF)
        decoded_BS, target_BS = self._decode_pieces(batch, quantized.latent_BFD)
        code_losses = {"commitment": quantized.commitment_loss}
        if self._has_letters:
            code_losses["ctc"] = self._letters(batch, patch_BFX, latent_BFD, quantized)
        return Reconstruction(decoded_BS, target_BS, code_losses, quantized.codes_BFK[mask_BF])

    def _letters(
        self, batch: TokenizerBatch, patch_BFX: Tensor, latent_BFD: Tensor, quantized: Quantized
    ) -> Tensor:
        tokenizer = self.tokenizer
        heard_BFX = tokenizer.semantic_input(tokenizer.semantic_frames(patch_BFX, quantized.codes_BFK))
        if tokenizer.config.semantic.backprop_to_acoustic:
            reduced_BFD = tokenizer.quantizer.reduce(latent_BFD).float()
            heard_BFX = reduced_BFD + (heard_BFX - reduced_BFD).detach()
        values_BFL, *_ = tokenizer.semantic(heard_BFX)
        return ctc_loss(tokenizer, values_BFL, batch.num_frames_B, batch.letters)

    def _decode_pieces(self, batch: TokenizerBatch, latent_BFD: Tensor) -> tuple[Tensor, Tensor]:
        """A random piece of each of the first rows, decoded (B, S), and the sound that it should be."""
        length = min(self.loss.segment_frames, latent_BFD.shape[1])
        context = min(self.loss.context_frames, length - 1)
        rows, frame_samples = self.loss.decoded_rows, self.tokenizer.config.frame_samples
        latest_B = (batch.num_frames_B[:rows] - length).clamp_min(0)
        starts_B = (torch.rand(latest_B.shape, device=latest_B.device) * (latest_B + 1)).long()
        latent = torch.stack(
            [
                row[start : start + length]
                for row, start in zip(latent_BFD[:rows], starts_B.tolist(), strict=True)
            ]
        )
        decoded_BS = self.tokenizer.vocoder(latent)[:, context * frame_samples :]
        target_BS = torch.stack(
            [
                row[(start + context) * frame_samples : (start + length) * frame_samples]
                for row, start in zip(batch.target_BS[:rows], starts_B.tolist(), strict=True)
            ]
        )
        complete = decoded_BS.shape[1] - self.tokenizer.config.vocoder.overlap_samples
        return decoded_BS[:, :complete], target_BS[:, :complete]
