"""Acoustic encoder: log-mel columns -> one latent a frame, causal."""

from dataclasses import dataclass, field

from einops import rearrange
from torch import Tensor, nn

from omni_audio.checks import require_positive
from omni_audio.plain import LATER
from omni_audio.tokenizer.causal import CausalStack, StackState


@dataclass(kw_only=True, slots=True)
class AcousticEncoderConfig:
    """Causal ConvNeXt stack on patches of mel columns."""

    width: int = 256
    num_blocks: int = 5
    kernel: int = 5
    expansion: int = field(default=4, metadata=LATER)

    def __post_init__(self) -> None:
        require_positive("tokenizer.encoder.width", self.width)
        require_positive("tokenizer.encoder.num_blocks", self.num_blocks)
        require_positive("tokenizer.encoder.kernel", self.kernel)
        require_positive("tokenizer.encoder.expansion", self.expansion)


class AcousticEncoder(nn.Module):
    """(B, P F, M) log-mel columns -> (B, F, D), P = `patch_mel_frames`."""

    def __init__(self, config: AcousticEncoderConfig, num_mels: int, patch_mel_frames: int) -> None:
        super().__init__()
        self.patch_mel_frames = patch_mel_frames
        self.patch = nn.Linear(patch_mel_frames * num_mels, config.width)
        self.stack = CausalStack(config.width, config.num_blocks, config.kernel, config.expansion)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, mel_BTM: Tensor, state: StackState | None = None) -> tuple[Tensor, StackState]:
        """(B, T, M) with T a multiple of P -> (B, T / P, D) and the new state."""
        patch_BFP = rearrange(mel_BTM, "b (f p) m -> b f (p m)", p=self.patch_mel_frames)
        hidden_BFD, new_state = self.stack(self.patch(patch_BFP), state)
        return self.norm(hidden_BFD), new_state
