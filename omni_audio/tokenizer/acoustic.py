"""Acoustic encoder: log-mel columns -> one latent a frame (8 columns, 80 ms), causal."""

from dataclasses import dataclass

from einops import rearrange
from torch import Tensor, nn

from omni_audio.audio.units import PATCH_MEL_FRAMES
from omni_audio.checks import require_positive
from omni_audio.tokenizer.causal import CausalStack, StackState


@dataclass(kw_only=True, slots=True)
class AcousticEncoderConfig:
    """Causal ConvNeXt stack on patches of mel columns."""

    width: int = 256
    num_blocks: int = 5
    kernel: int = 5

    def __post_init__(self) -> None:
        require_positive("tokenizer.encoder.width", self.width)
        require_positive("tokenizer.encoder.num_blocks", self.num_blocks)
        require_positive("tokenizer.encoder.kernel", self.kernel)


class AcousticEncoder(nn.Module):
    """(B, 8F, M) log-mel columns -> (B, F, D)."""

    def __init__(self, config: AcousticEncoderConfig, num_mels: int) -> None:
        super().__init__()
        self.patch = nn.Linear(PATCH_MEL_FRAMES * num_mels, config.width)
        self.stack = CausalStack(config.width, config.num_blocks, config.kernel)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, mel_BTM: Tensor, state: StackState | None = None) -> tuple[Tensor, StackState]:
        """(B, T, M) with T a multiple of 8 -> (B, T / 8, D) and the new state."""
        patch_BFP = rearrange(mel_BTM, "b (f p) m -> b f (p m)", p=PATCH_MEL_FRAMES)
        hidden_BFD, new_state = self.stack(self.patch(patch_BFP), state)
        return self.norm(hidden_BFD), new_state
