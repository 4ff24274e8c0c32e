"""What a training of the network cannot do, said before its first stage and not after an hour."""

from typing import TYPE_CHECKING

from omni_audio.checks import require
from omni_audio.model.assistant import WeightQuant
from omni_audio.model.attention import AttentionBackend
from omni_audio.training.compiling import check_compiler
from omni_audio.training.runtime import resolve_device

if TYPE_CHECKING:
    from omni_audio.config.schema import RootConfig


def check_trainable(config: "RootConfig") -> None:
    """Checks number format, attention and compiler where the stage `model` is to run.

    Raises:
        ValueError: one of them cannot train here.
    """
    if "model" not in {stage.value for stage in config.stages}:
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
