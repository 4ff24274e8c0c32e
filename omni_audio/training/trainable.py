"""What a training of the network cannot do, said before its first stage and not after an hour."""

from typing import TYPE_CHECKING

from omni_audio.audio.units import FRAME_RATE_HZ, PATCH_MEL_FRAMES
from omni_audio.checks import require
from omni_audio.model.assistant import WeightQuant
from omni_audio.model.attention import AttentionBackend
from omni_audio.model.compiler import check_compiler
from omni_audio.training.runtime import resolve_device

if TYPE_CHECKING:
    from omni_audio.config.schema import RootConfig


def check_trainable(config: "RootConfig") -> None:
    """Checks what the stage `model` is to run with, and that a teacher and it find 12.5 frames a second.

    Raises:
        ValueError: one of them cannot train here.
    """
    has_model = "model" in {stage.value for stage in config.stages}
    require(
        config.tokenizer.patch_mel_frames == PATCH_MEL_FRAMES
        or not (has_model or config.semantic_loss.has_teacher),
        "tokenizer.patch_mel_frames",
        config.tokenizer.patch_mel_frames,
        f"{PATCH_MEL_FRAMES}, the {FRAME_RATE_HZ} frames a second that the network and teachers work at",
        "Leave the stage model and the teacher out for other frame rates.",
    )
    semantic = config.tokenizer.semantic
    require(
        not (config.taken_tokenizer is None and semantic.reads_columns and semantic.backprop_to_acoustic),
        "tokenizer.semantic.backprop_to_acoustic",
        True,
        "false where tokenizer.semantic.reads is columns: no acoustic code takes part in the letters",
        "Set it to false, or tokenizer.semantic.reads=codes.",
    )
    if not has_model:
        return
    device = resolve_device(config.runtime.device)
    require(
        config.weight_quant.format is not WeightQuant.INT4,
        "weight_quant.format",
        "INT4",
        "NONE or NF4 in training: nothing is learnt through packed integers",
        "Set weight_quant=none or weight_quant=nf4.",
    )
    require(
        device.type != "cpu" or config.model.attention is not AttentionBackend.FLEX,
        "model.attention",
        "FLEX",
        "SDPA or NAIVE on a CPU: FlexAttention has no backward pass there",
        "Set model.attention=SDPA, or runtime.device=cuda.",
    )
    if config.runtime.compile:
        check_compiler(device)
