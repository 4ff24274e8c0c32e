"""Acoustic encoder: features of a frame -> one latent, causal."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from omni_audio.checks import require_positive
from omni_audio.plain import LATER
from omni_audio.tokenizer.causal import CausalStack, StackState


@dataclass(kw_only=True, slots=True)
class AcousticEncoderConfig:
    """Causal ConvNeXt stack on the features of frames."""

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
    """(B, F, X) features of frames -> (B, F, D) latents."""

    def __init__(self, config: AcousticEncoderConfig, num_features: int) -> None:
        super().__init__()
        self.patch = nn.Linear(num_features, config.width)
        self.stack = CausalStack(config.width, config.num_blocks, config.kernel, config.expansion)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, patch_BFX: Tensor, state: StackState | None = None) -> tuple[Tensor, StackState]:
        """Latents and the new state; any chunking of F gives the same."""
        hidden_BFD, new_state = self.stack(self.patch(patch_BFX), state)
        return self.norm(hidden_BFD), new_state
